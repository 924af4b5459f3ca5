"""MCP servers that may be given to runs."""
