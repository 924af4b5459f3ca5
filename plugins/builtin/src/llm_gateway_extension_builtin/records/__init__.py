"""Stores prompts and replies with their records, without secrets."""
