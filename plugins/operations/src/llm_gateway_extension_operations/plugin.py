"""The hooks: operations, resources and a warning about untested versions."""

from __future__ import annotations

from dataclasses import replace

from llm_gateway import Annotations, Gateway, Operation, Record, Request, Resource, hookimpl
from llm_gateway_extension_operations import limits, version_check
from llm_gateway_extension_operations.approvals import APPROVAL_OPERATIONS
from llm_gateway_extension_operations.health import HEALTH_OPERATIONS
from llm_gateway_extension_operations.jobs import JOB_OPERATIONS, JOB_RESOURCES
from llm_gateway_extension_operations.limits import LIMIT_RESOURCES
from llm_gateway_extension_operations.models import MODEL_OPERATIONS, MODEL_RESOURCES
from llm_gateway_extension_operations.sessions import SESSION_OPERATIONS, SESSION_RESOURCES
from llm_gateway_extension_operations.upgrades import UPGRADE_OPERATIONS
from llm_gateway_extension_operations.versions import VERSION_OPERATIONS


@hookimpl
def gateway_operations() -> list[Operation]:
    """Return the operations."""
    return [
        *JOB_OPERATIONS,
        *SESSION_OPERATIONS,
        *APPROVAL_OPERATIONS,
        *MODEL_OPERATIONS,
        *VERSION_OPERATIONS,
        *UPGRADE_OPERATIONS,
        *HEALTH_OPERATIONS,
    ]


@hookimpl
def gateway_resources() -> list[Resource]:
    """Return the resources."""
    return [*JOB_RESOURCES, *SESSION_RESOURCES, *MODEL_RESOURCES, *LIMIT_RESOURCES]


@hookimpl
def gateway_annotate(gateway: Gateway, record: Record, request: Request | None) -> Annotations | None:
    """Warn of a limit that is used up, and of a CLI version that was not tested."""
    limit, version = limits.annotate(gateway, record), version_check.annotate(gateway, record, request)
    if limit is None or version is None:
        return limit or version
    return replace(version, notices=(*limit.notices, *version.notices))
