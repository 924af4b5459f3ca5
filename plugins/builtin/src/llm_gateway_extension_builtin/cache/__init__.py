"""The prompt cache as LLM Gateway sees it."""
