"""The connection of a handshake cache, for the SDK: the messages that the SDK must still read, without answering them twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from llm_gateway_transport_mcp.handshake_cache import HandshakeCache
from llm_gateway_transport_mcp.wire import Wire, open_descriptors


class Takeover:
    """A wire source: the connection of a handshake cache that has been started."""

    def __init__(self, cache: HandshakeCache) -> None:
        self._cache = cache

    def acquire(self) -> None:
        """Do nothing: the cache has acquired stdin and stdout."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        """Continue to read where the cache stopped. The handshake is read again; its second answer is not sent."""
        async with open_descriptors(*self._cache.fds, first=self._cache.replay + self._cache.unread) as wire:
            yield Wire(lines=wire.lines, send=without_answers_to(self._cache.answered, wire.send))


def without_answers_to(
    answered: list[int | str], send: Callable[[bytes], Awaitable[None]]
) -> Callable[[bytes], Awaitable[None]]:
    """Return a `send` that drops the first answer to each of these requests: the cache has sent it."""

    async def send_others(line: bytes) -> None:
        message = json.loads(line) if answered else {}
        if message.get("id") in answered and "method" not in message:
            answered.remove(message["id"])
        else:
            await send(line)

    return send_others
