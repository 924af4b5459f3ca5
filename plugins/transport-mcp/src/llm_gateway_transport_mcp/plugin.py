"""The entry point. It is quick to import: the MCP SDK is imported by the first `serve`."""

from __future__ import annotations

from llm_gateway import hookimpl
from llm_gateway_transport_mcp.transport import McpTransport


@hookimpl
def gateway_open_transport(name: str) -> McpTransport | None:
    """Return the transport with this name, if it is MCP."""
    return McpTransport() if name == "mcp" else None
