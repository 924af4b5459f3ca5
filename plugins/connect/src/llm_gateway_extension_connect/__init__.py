"""Registers the gateway in the assistants that are installed, and takes it out again."""
