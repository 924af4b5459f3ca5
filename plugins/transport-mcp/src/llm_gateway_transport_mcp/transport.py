"""MCP over stdio.

    transport = McpTransport()
    transport.preload()             # optional, early: after this, stray output cannot reach the client
    await transport.serve(gateway)  # returns when the client closes stdin

The handshake cache (`handshake_cache.py`) serves the client until a gateway is needed, if the command has started it. After that
the usual requests are answered by `direct.py`. The SDK takes half a second to import, so it is imported, in a thread, only for what
these two cannot answer. (Measured: importing it while the gateway opens is not faster, because both need the interpreter lock.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway_transport_mcp import handshake_cache
from llm_gateway_transport_mcp.loading import import_sdk
from llm_gateway_transport_mcp.takeover import Takeover
from llm_gateway_transport_mcp.wire import Stdio, WireSource, open_descriptors

if TYPE_CHECKING:
    from llm_gateway import Gateway


class McpTransport:
    """Shows a gateway's operations, resources and prompts to one MCP client."""

    def __init__(self, source: WireSource | None = None) -> None:
        self._cache = handshake_cache.take_over()
        self._source = source or (Takeover(self._cache) if self._cache else Stdio())

    @property
    def _keeps_manifest(self) -> bool:
        """Whether the next start needs a manifest: not if it answers from the prebuilt listing."""
        return self._cache is None or not self._cache.answers.follows_programs

    def preload(self) -> None:
        """Acquire stdin and stdout for the protocol only, before the gateway opens."""
        self._source.acquire()

    async def serve(self, gateway: Gateway) -> None:
        """Serve the client until it closes its end."""
        self._source.acquire()
        cache = self._cache
        if cache and cache.has_greeted and not cache.can_be_asked:
            from llm_gateway_transport_mcp.direct import DirectServer

            async with open_descriptors(*cache.fds, first=cache.unread) as wire:
                await DirectServer(gateway, wire, cache).serve()
        else:
            sdk = await to_thread.run_sync(import_sdk)
            async with self._source.open() as wire:
                await sdk.serve(gateway, wire, listed=cache.programs if cache else None, keeps=self._keeps_manifest)
        if (
            cache and self._keeps_manifest
        ):  # check the manifest after the client has left, because that takes 0.1 s and 4 MB
            await self.prime(gateway)

    async def prime(self, gateway: Gateway) -> None:
        """Store the handshake cache's answers for the next start."""
        sdk = await to_thread.run_sync(import_sdk)
        await sdk.prime(gateway)
