"""The one place where the SDK's server is made and run. Importing this module imports the SDK."""

from __future__ import annotations

import logging

import anyio
from mcp.server.lowlevel import Server

from llm_gateway import Gateway
from llm_gateway_transport_mcp.conversation import converse
from llm_gateway_transport_mcp.manifest import refresh
from llm_gateway_transport_mcp.prompts import Prompts
from llm_gateway_transport_mcp.resources import Resources
from llm_gateway_transport_mcp.tools import Tools
from llm_gateway_transport_mcp.wire import Wire

log = logging.getLogger(__name__)


def build_server(gateway: Gateway) -> Server[dict[str, object]]:
    """Make a server that speaks every protocol revision the SDK knows; the client's first request decides which."""
    tools, resources, prompts = Tools(gateway), Resources(gateway), Prompts(gateway)
    server: Server[dict[str, object]] = Server(
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
    tools.join(server)
    return server


async def serve(gateway: Gateway, wire: Wire, *, prepared: bool) -> None:
    """Serve one client to the end of its input.

    :param prepared: this start was quick, so the next one will be, too; if not, that is seen to meanwhile.
    """
    async with anyio.create_task_group() as tasks:
        if not prepared:
            tasks.start_soon(prime, gateway)
        await converse(build_server(gateway), wire)
        tasks.cancel_scope.cancel()


async def prime(gateway: Gateway) -> None:
    """Write down what the handshake cache may answer at the next start. What goes wrong is logged: the next start is slower then."""
    try:
        await refresh(build_server(gateway), gateway.environ)
    except Exception as error:  # whatever it is, this client is served
        log.warning("the next start will not be quick: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
