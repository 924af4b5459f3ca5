"""A store of LLM Gateway in memory, for tests."""
