"""The state of git working trees for LLM Gateway."""
