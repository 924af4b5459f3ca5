"""Grok Build for LLM Gateway."""
