"""The entry point: operations, a command, and a look for runs that a dead gateway has left, for as long as callers are served."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from llm_gateway import Command, Gateway, Operation, hookimpl
from llm_gateway_extension_review.command import COMMAND
from llm_gateway_extension_review.operations import OPERATIONS
from llm_gateway_extension_review.reviews import recovering


@hookimpl
def gateway_operations() -> list[Operation]:
    """Bring them."""
    return OPERATIONS


@hookimpl
def gateway_commands() -> list[Command]:
    """Bring `llm-gateway review`."""
    return [COMMAND]


@hookimpl
def gateway_lifespan(gateway: Gateway, serving: bool) -> AbstractAsyncContextManager[None] | None:
    """Where callers are served, go on with the runs that a dead gateway has left."""
    return recovering(gateway) if serving else None
