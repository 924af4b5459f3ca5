"""MCP over stdio.

    transport = McpTransport()
    transport.preload()             # optional, early: after this, stray output cannot reach the client
    await transport.serve(gateway)  # returns when the client closes stdin

The SDK takes half a second to import, so this module does not import it: `serve` imports it in a thread while the gateway works.
(Measured: importing it while the gateway opens is not faster, because both need the interpreter lock.) Until then the handshake
cache (`handshake_cache.py`) answers the client's first requests, if the command has started it.
"""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway_transport_mcp import handshake_cache
from llm_gateway_transport_mcp.takeover import Takeover
from llm_gateway_transport_mcp.wire import Stdio, WireSource

if TYPE_CHECKING:
    from llm_gateway import Gateway


class McpTransport:
    """Shows a gateway's operations, resources and prompts to one MCP client."""

    def __init__(self, source: WireSource | None = None) -> None:
        self._cache = handshake_cache.take_over()
        self._source = source or (Takeover(self._cache) if self._cache else Stdio())

    def preload(self) -> None:
        """Acquire stdin and stdout for the protocol only, before the gateway opens."""
        self._source.acquire()

    async def serve(self, gateway: Gateway) -> None:
        """Serve the client until it closes its end."""
        self._source.acquire()
        sdk = await to_thread.run_sync(_import_sdk)
        async with self._source.open() as wire:
            await sdk.serve(gateway, wire, listed=self._cache.programs if self._cache else None)
        if self._cache:  # check the manifest after the client has left, because that takes 0.1 s and 4 MB
            await sdk.prime(gateway)

    async def prime(self, gateway: Gateway) -> None:
        """Store the handshake cache's answers for the next start."""
        sdk = await to_thread.run_sync(_import_sdk)
        await sdk.prime(gateway)


def _import_sdk() -> ModuleType:
    """Import without garbage collection, and exclude all objects so far from later collections."""
    gc.disable()
    try:
        return import_module("llm_gateway_transport_mcp.server")
    finally:
        gc.freeze()
        gc.enable()
