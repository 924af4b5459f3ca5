"""MCP over stdio.

    transport = McpTransport()
    transport.preload()             # optional and early: from here on stray output cannot reach the client
    await transport.serve(gateway)  # returns when the client closes stdin

The SDK takes half a second to import: this module does without, `serve` imports it in a thread, so that the gateway can work
meanwhile. (Importing it while the gateway opens was measured and gains nothing: both want the same interpreter lock.) A front
that wants to answer `initialize` sooner gives the transport a line source of its own, which answers what it can and yields the
rest, and again what the SDK must have seen.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway_transport_mcp.wire import LineSource, Stdio

if TYPE_CHECKING:
    from llm_gateway import Gateway


class McpTransport:
    """Shows a gateway's operations, resources and prompts to one MCP client."""

    def __init__(self, source: LineSource | None = None) -> None:
        self._source = source or Stdio()

    def preload(self) -> None:
        """Get ready before the gateway opens: take stdin and stdout for the protocol alone."""
        self._source.claim()

    async def serve(self, gateway: Gateway) -> None:
        """Serve the client until it closes its end."""
        self._source.claim()
        async with self._source.open() as wire:
            sdk = await to_thread.run_sync(_import_sdk)
            await sdk.serve(gateway, wire)


def _import_sdk() -> ModuleType:
    """Import, without looking for garbage meanwhile; and what was imported until now is never looked through again."""
    gc.disable()
    try:
        return import_module("llm_gateway_transport_mcp.server")
    finally:
        gc.freeze()
        gc.enable()
        _give_back()


def _give_back() -> None:
    """Give back the memory that importing needed for a while, where the C library can: 4 MB."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
