"""The default store of LLM Gateway: one SQLite file."""
