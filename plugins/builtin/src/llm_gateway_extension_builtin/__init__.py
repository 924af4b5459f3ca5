"""The small extensions that come with every gateway: git, known MCP servers, records, pricing, cache. Each is a package and a plugin of its own."""
