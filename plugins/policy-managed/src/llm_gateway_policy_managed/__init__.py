"""The approval strategy `mcp_managed`."""
