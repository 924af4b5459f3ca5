"""The hooks: operations, and the recovery of runs of ended gateways while callers are served."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from llm_gateway import Gateway, Operation, hookimpl
from llm_gateway_extension_review.operations import OPERATIONS
from llm_gateway_extension_review.reviews import recovering


@hookimpl
def gateway_operations() -> list[Operation]:
    """Return the operations."""
    return OPERATIONS


@hookimpl
def gateway_lifespan(gateway: Gateway, serving: bool) -> AbstractAsyncContextManager[None] | None:
    """While callers are served, resume the runs of ended gateways."""
    return recovering(gateway) if serving else None
