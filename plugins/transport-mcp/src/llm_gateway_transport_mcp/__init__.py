"""MCP over stdio for LLM Gateway."""
