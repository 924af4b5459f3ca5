"""Claude Code for LLM Gateway."""
