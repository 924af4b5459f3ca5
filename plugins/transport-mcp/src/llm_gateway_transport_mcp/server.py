"""Make and run the SDK's server. Only this module does it, and importing it imports the SDK."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import anyio
from anyio import to_thread
from mcp.server.lowlevel import Server

from llm_gateway import Gateway
from llm_gateway_transport_mcp.conversation import converse
from llm_gateway_transport_mcp.list_changes import ListChanges
from llm_gateway_transport_mcp.manifest import refresh
from llm_gateway_transport_mcp.prompts import Prompts
from llm_gateway_transport_mcp.resources import Resources
from llm_gateway_transport_mcp.tools import Tools
from llm_gateway_transport_mcp.wire import Wire

log = logging.getLogger(__name__)


def build_server(gateway: Gateway, changes: ListChanges | None = None) -> Server[dict[str, object]]:
    """Make a server for all protocol revisions of the SDK. The client's first request selects one."""
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
    tools.connect(server)
    (changes or ListChanges(gateway)).connect(server)
    return server


async def serve(gateway: Gateway, wire: Wire, *, listed: Sequence[str] | None, keeps: bool) -> None:
    """Serve one client to the end of its input.

    :param listed: the program states of the tools that the handshake cache has listed. None: there was no usable manifest, so
        one is written meanwhile for the next start.
    :param keeps: write a new manifest whenever a program appears or disappears.
    """
    await to_thread.run_sync(gateway.presence.look)
    changes = ListChanges(gateway)
    server = build_server(gateway, changes)
    async with anyio.create_task_group() as tasks:
        if listed is None:
            tasks.start_soon(prime, gateway)
        tasks.start_soon(changes.watch, server, listed, partial(prime, gateway) if keeps else _nothing)
        await converse(server, wire)
        tasks.cancel_scope.cancel()


async def prime(gateway: Gateway) -> None:
    """Store the handshake cache's answers for the next start. A failure is logged, and makes the next start slower."""
    try:
        await to_thread.run_sync(gateway.presence.look)
        await refresh(build_server(gateway), gateway)
    except Exception as error:  # the client must still be served
        log.warning(
            "the handshake cache could not be written, so the next start is slower: %s",
            error,
            exc_info=log.isEnabledFor(logging.DEBUG),
        )


async def _nothing() -> None:
    """Do nothing: the next start needs no manifest."""
