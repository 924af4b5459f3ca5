"""Mistral Vibe for LLM Gateway."""
