"""The one place where the SDK's server is made and run. Importing this module imports the SDK."""

from __future__ import annotations

from mcp.server.lowlevel import Server

from llm_gateway import Gateway
from llm_gateway_transport_mcp.conversation import converse
from llm_gateway_transport_mcp.prompts import Prompts
from llm_gateway_transport_mcp.resources import Resources
from llm_gateway_transport_mcp.tools import Tools
from llm_gateway_transport_mcp.wire import Wire


def build_server(gateway: Gateway) -> Server[dict[str, object]]:
    """Make a server that speaks every protocol revision the SDK knows; the client's first request decides which."""
    tools, resources, prompts = Tools(gateway), Resources(gateway), Prompts(gateway)
    return Server(
        "llm-gateway",
        version=gateway.version,
        title="LLM Gateway",
        instructions=gateway.instructions,
        on_list_tools=tools.list,
        on_call_tool=tools.call,
        on_list_resources=resources.list,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
        on_list_prompts=prompts.list,
        on_get_prompt=prompts.get,
    )


async def serve(gateway: Gateway, wire: Wire) -> None:
    """Serve one client to the end of its input."""
    await converse(build_server(gateway), wire)
