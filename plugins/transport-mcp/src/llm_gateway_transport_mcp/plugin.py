"""The entry point: quick to import, the MCP SDK comes with the first `serve`."""

from __future__ import annotations

from llm_gateway import hookimpl
from llm_gateway_transport_mcp.transport import McpTransport


@hookimpl
def gateway_open_transport(name: str) -> McpTransport | None:
    """Make the transport of this name, if it is ours."""
    return McpTransport() if name == "mcp" else None
