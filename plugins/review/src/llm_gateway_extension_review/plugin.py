"""The entry point: operations, a command, and a look at every start for runs that nobody drives."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from llm_gateway import Command, Gateway, Operation, Transport, hookimpl
from llm_gateway_extension_review.command import COMMAND
from llm_gateway_extension_review.operations import OPERATIONS
from llm_gateway_extension_review.reviews import reviews_of


@hookimpl
def gateway_operations() -> list[Operation]:
    """Bring them."""
    return OPERATIONS


@hookimpl
def gateway_commands() -> list[Command]:
    """Bring `llm-gateway review`."""
    return [COMMAND]


@hookimpl(wrapper=True)
def gateway_open_transport(name: str) -> Generator[None, Transport | None, Transport | None]:
    """Have whatever serves callers go on first with what a killed gateway has left."""
    transport = yield
    return None if transport is None else GoingOn(transport)


class GoingOn:
    """A transport whose gateway looks after runs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def serve(self, gateway: Gateway) -> None:
        """Look after runs, and serve."""
        reviews_of(gateway)
        await self._transport.serve(gateway)
