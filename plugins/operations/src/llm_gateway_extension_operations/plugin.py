"""The entry point: the operations and resources, brought as any plugin would bring its own."""

from __future__ import annotations

from llm_gateway import Operation, Resource, hookimpl
from llm_gateway_extension_operations.health import HEALTH_OPERATIONS
from llm_gateway_extension_operations.jobs import JOB_OPERATIONS, JOB_RESOURCES


@hookimpl
def gateway_operations() -> list[Operation]:
    """Bring them."""
    return [*JOB_OPERATIONS, *HEALTH_OPERATIONS]


@hookimpl
def gateway_resources() -> list[Resource]:
    """Bring them."""
    return [*JOB_RESOURCES]
