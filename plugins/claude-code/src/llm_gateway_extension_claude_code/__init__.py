"""The skill of putting other agents to work, as a Claude Code plugin (folder `assistant`) and for every MCP client."""
