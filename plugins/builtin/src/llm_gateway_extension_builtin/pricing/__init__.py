"""List prices for LLM Gateway."""
