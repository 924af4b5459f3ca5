"""A store of LLM Gateway that lives in memory: the twin that tests use."""
