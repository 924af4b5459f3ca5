"""The directories that a client has open (MCP roots), asked for when a call needs them and has named none.

Until 2025-11-25 the server sends the client a request, and keeps the answer until the client says that it has changed. Since
2026-07-28 the client repeats its call with the answer (`asking.py`), and nothing is kept: that revision has no word for a change.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import ValidationError

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

#: A client answers from memory. One that does not answer is not asked again until it says that its roots have changed.
ANSWER_WITHIN_S = 5.0


class Roots:
    """Those of the one client of a server."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] | None = None
        self._changes = 0
        self._asking = anyio.Lock()

    def join(self, server: Server[Any]) -> None:
        """Hear of changes."""
        server.add_notification_handler("notifications/roots/list_changed", types.NotificationParams, self._changed)

    def of(self, ctx: Context) -> Callable[[], Awaitable[tuple[str, ...]]]:
        """A way to ask this call's client."""

        async def ask() -> tuple[str, ...]:
            async with self._asking:
                if self._known is not None:
                    return self._known
                changes = self._changes
                found = await _ask(ctx)
                if changes == self._changes:
                    self._known = found
                return found

        return ask

    async def _changed(self, ctx: Context, params: types.NotificationParams) -> None:
        self._changes += 1
        self._known = None


def offered(ctx: Context) -> bool:
    """Whether the client has declared that it can tell its roots."""
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and capabilities.roots is not None


def uris(result: object) -> tuple[str, ...]:
    """What a client answered; nothing for any other answer."""
    return tuple(str(root.uri) for root in result.roots) if isinstance(result, types.ListRootsResult) else ()


async def _ask(ctx: Context) -> tuple[str, ...]:
    with anyio.move_on_after(ANSWER_WITHIN_S):
        try:
            return uris(await ctx.session.send_request(types.ListRootsRequest(), types.ListRootsResult))
        except (MCPError, ValidationError) as error:
            log.warning("the client could not tell its roots: %s", error)
            return ()
    log.warning("the client did not tell its roots within %s s", ANSWER_WITHIN_S)
    return ()
