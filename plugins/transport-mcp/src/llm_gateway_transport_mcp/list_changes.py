"""`tools/list_changed`: notifies the client when a provider's program appears or disappears.

Until 2025-11-25 the server sends a notification on the connection, as soon as the client is initialized. Since 2026-07-28 a client
subscribes (`subscriptions/listen`), and the SDK sends the notification on the stream of that request.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
from anyio import to_thread
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

from llm_gateway import Gateway
from llm_gateway_transport_mcp.manifest import program_states

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]
#: How often the directories of programs are checked. A check that finds no change costs about 0.2 ms in a thread.
LOOK_EVERY_S = 2.0


class ListChanges:
    """Watches which programs are present, for the one client of a server."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._bus = InMemorySubscriptionBus()
        self._client: Context | None = None  # of a client that has finished the handshake

    def connect(self, server: Server[Any]) -> None:
        """Add the handlers that this needs to a server."""
        server.add_notification_handler("notifications/initialized", types.NotificationParams, self._initialized)
        server.add_request_handler(
            "subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(self._bus)
        )

    async def watch(
        self, server: Server[Any], listed: Sequence[str] | None, changed: Callable[[], Awaitable[None]]
    ) -> None:
        """Check periodically, until cancelled.

        :param listed: the program states of the tools that the handshake cache has listed; None: it has listed none.
        :param changed: called after the client was notified of a change.
        """
        known = program_states(self._gateway) if listed is None else list(listed)
        while True:
            states = program_states(self._gateway)
            if states != known:
                known = states
                server.instructions = self._gateway.instructions
                if not self._gateway.settings.surface.show_absent:
                    await self._notify()
                await changed()
            await anyio.sleep(LOOK_EVERY_S)
            await to_thread.run_sync(self._gateway.presence.look)

    async def _initialized(self, ctx: Context, params: types.NotificationParams) -> None:
        self._client = ctx

    async def _notify(self) -> None:
        await self._bus.publish(ToolsListChanged())
        if self._client is None:
            return
        try:
            await self._client.session.send_tool_list_changed()
        except Exception as error:  # the client is closing the connection, which ends the serving
            log.debug("the client could not be notified that the list of tools has changed: %s", error)
