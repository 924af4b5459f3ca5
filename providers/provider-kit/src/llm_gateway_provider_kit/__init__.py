"""Code that all providers share: JSON-lines providers, argument checks, conversations, failure rules, waiting times, contracts."""
