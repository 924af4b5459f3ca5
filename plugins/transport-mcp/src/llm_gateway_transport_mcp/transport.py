"""MCP over stdio.

    transport = McpTransport()
    transport.preload()             # optional and early: from here on stray output cannot reach the client
    await transport.serve(gateway)  # returns when the client closes stdin

The SDK takes half a second to import: this module does without, `serve` imports it in a thread, so that the gateway can work
meanwhile. (Importing it while the gateway opens was measured and gains nothing: both want the same interpreter lock.) Until then
the handshake cache (`handshake_cache.py`) answers what a client asks first, if the command began with it.
"""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway_transport_mcp import handshake_cache
from llm_gateway_transport_mcp.takeover import Takeover
from llm_gateway_transport_mcp.wire import LineSource, Stdio

if TYPE_CHECKING:
    from llm_gateway import Gateway


class McpTransport:
    """Shows a gateway's operations, resources and prompts to one MCP client."""

    def __init__(self, source: LineSource | None = None) -> None:
        begun = handshake_cache.take()
        self._prepared = begun is not None
        self._source = source or (Takeover(begun) if begun else Stdio())

    def preload(self) -> None:
        """Get ready before the gateway opens: take stdin and stdout for the protocol alone."""
        self._source.claim()

    async def serve(self, gateway: Gateway) -> None:
        """Serve the client until it closes its end."""
        self._source.claim()
        sdk = await to_thread.run_sync(_import_sdk)
        async with self._source.open() as wire:
            await sdk.serve(gateway, wire, prepared=self._prepared)
        if self._prepared:  # is it still true? Asked when nobody waits any more: it takes 0.1 s and 4 MB
            await sdk.prime(gateway)

    async def prime(self, gateway: Gateway) -> None:
        """Write down what the handshake cache may answer at the next start."""
        sdk = await to_thread.run_sync(_import_sdk)
        await sdk.prime(gateway)


def _import_sdk() -> ModuleType:
    """Import, without looking for garbage meanwhile; and what was imported until now is never looked through again."""
    gc.disable()
    try:
        return import_module("llm_gateway_transport_mcp.server")
    finally:
        gc.freeze()
        gc.enable()
