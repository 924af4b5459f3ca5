"""The hooks: operations, a command, and the recovery of runs that no gateway executes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from llm_gateway import Command, Gateway, Operation, Transport, hookimpl
from llm_gateway_extension_review.command import COMMAND
from llm_gateway_extension_review.operations import OPERATIONS
from llm_gateway_extension_review.reviews import reviews_of


@hookimpl
def gateway_operations() -> list[Operation]:
    """Return the operations."""
    return OPERATIONS


@hookimpl
def gateway_commands() -> list[Command]:
    """Return the command `llm-gateway review`."""
    return [COMMAND]


@hookimpl(wrapper=True)
def gateway_open_transport(name: str) -> Generator[None, Transport | None, Transport | None]:
    """Wrap the transport: before it serves, resume runs of ended gateways."""
    transport = yield
    return None if transport is None else GoingOn(transport)


class GoingOn:
    """A transport whose gateway resumes runs of ended gateways."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def serve(self, gateway: Gateway) -> None:
        """Resume runs in the background, and serve."""
        reviews_of(gateway)
        await self._transport.serve(gateway)
