"""The directories that a client has open (MCP roots). They are requested if a call needs a directory and names none.

Until 2025-11-25 the server sends the client a request, and keeps the answer until the client reports a change. Since 2026-07-28 the
client repeats its call with the answer (`elicitation.py`), and nothing is kept: that revision has no notification of a change.
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

#: Clients answer from memory. One that does not answer is not asked again until it reports that its roots have changed.
ANSWER_WITHIN_S = 5.0


class Roots:
    """The roots of the one client of a server."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] | None = None
        self._changes = 0
        self._asking = anyio.Lock()

    def connect(self, server: Server[Any]) -> None:
        """Add the handler for reported changes."""
        server.add_notification_handler("notifications/roots/list_changed", types.NotificationParams, self._changed)

    def of(self, ctx: Context) -> Callable[[], Awaitable[tuple[str, ...]]]:
        """Return a function that asks the client of this call."""

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
    """Return whether the client has declared that it offers roots."""
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and capabilities.roots is not None


def uris(result: object) -> tuple[str, ...]:
    """Return the roots in a client's answer; none for any other kind of answer."""
    return tuple(str(root.uri) for root in result.roots) if isinstance(result, types.ListRootsResult) else ()


async def _ask(ctx: Context) -> tuple[str, ...]:
    with anyio.move_on_after(ANSWER_WITHIN_S):
        try:
            return uris(await ctx.session.send_request(types.ListRootsRequest(), types.ListRootsResult))
        except (MCPError, ValidationError) as error:
            log.warning("the client could not list its roots: %s", error)
            return ()
    log.warning("the client did not list its roots within %s s", ANSWER_WITHIN_S)
    return ()
