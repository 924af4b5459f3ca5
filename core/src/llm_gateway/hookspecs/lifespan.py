"""Hooks of plugins that live as long as the gateway."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from llm_gateway.hookspecs.marks import hookspec

if TYPE_CHECKING:
    from llm_gateway.model.gateway_api import GatewayApi


@hookspec
def gateway_lifespan(gateway: GatewayApi, serving: bool) -> AbstractAsyncContextManager[object] | None:
    """Live as long as the gateway: give an async context manager, for a connection, a cache or background work.

    Called once when a gateway opens. It is entered after the orphans of dead gateways were taken over and before the first
    call, and left before the background tasks are canceled and the store is closed; the last that was entered is left first.
    What is raised on the way in or out is logged with the plugin's name; the gateway goes on without the plugin's lifespan.
    When a signal ends the gateway, what is awaited on the way out is canceled: clean up in `finally`, without waiting.

    :param gateway: open; `gateway.tasks` takes background work.
    :param serving: True: a transport is going to serve callers. False: one command runs, which ends soon.

    A client that has sent no request yet needs no gateway, so none is opened for it. If there can be work that no request starts,
    such as what an ended gateway left, name a function `waiting(home: str) -> bool` as an entry point of the group
    `llm_gateway.waiting_work`, under the name of the plugin. It is called every few seconds, without a gateway: let its module
    import only the standard library. A plugin without such a function has a gateway opened for every client.

    None: nothing to do for this gateway.

    Example:
        @hookimpl
        def gateway_lifespan(gateway, serving):
            return exporter(gateway.settings) if serving else None
    """
