"""The hooks: operations, a command, and the recovery of runs of ended gateways while callers are served."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from llm_gateway import Command, Gateway, Operation, hookimpl
from llm_gateway_extension_review.command import COMMAND
from llm_gateway_extension_review.operations import OPERATIONS
from llm_gateway_extension_review.reviews import recovering


@hookimpl
def gateway_operations() -> list[Operation]:
    """Return the operations."""
    return OPERATIONS


@hookimpl
def gateway_commands() -> list[Command]:
    """Return the command `llm-gateway review`."""
    return [COMMAND]


@hookimpl
def gateway_lifespan(gateway: Gateway, serving: bool) -> AbstractAsyncContextManager[None] | None:
    """While callers are served, resume the runs of ended gateways."""
    return recovering(gateway) if serving else None
