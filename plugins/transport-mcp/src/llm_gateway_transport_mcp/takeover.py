"""From the handshake cache to the SDK: the same line, and what the SDK must know of what was said on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from anyio import to_thread

from llm_gateway_transport_mcp.handshake_cache import HandshakeCache
from llm_gateway_transport_mcp.wire import Wire, open_descriptors


class Takeover:
    """The line of a handshake cache that has begun."""

    def __init__(self, cache: HandshakeCache) -> None:
        self._cache = cache

    def claim(self) -> None:
        """It is claimed."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        """Have the handshake cache stop, and go on where it was: the handshake is read again, its second answer kept back."""
        await to_thread.run_sync(self._cache.stop)
        async with open_descriptors(*self._cache.fds, first=self._cache.replay + self._cache.rest) as wire:
            yield Wire(lines=wire.lines, send=_but(self._cache.answered, wire.send))


def _but(answered: list[int | str], send: Callable[[bytes], Awaitable[None]]) -> Callable[[bytes], Awaitable[None]]:
    async def send_what_is_new(line: bytes) -> None:
        if answered and (message := json.loads(line)).get("id") in answered and "method" not in message:
            answered.remove(message["id"])
        else:
            await send(line)

    return send_what_is_new
