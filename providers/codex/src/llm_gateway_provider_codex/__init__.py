"""Codex for LLM Gateway."""
