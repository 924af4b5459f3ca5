"""Keeps the words of turns with their records, without secrets."""
