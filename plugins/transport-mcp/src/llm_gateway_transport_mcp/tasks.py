"""Tasks (MCP extension `io.modelcontextprotocol/tasks`, for clients of 2026-07-28): the gateway's jobs as the protocol's tasks.

If a client declared the extension, `<provider>_request` does not wait: it returns a task as soon as the job is stored. So a task
exists before the client knows its id, and continues after the client or the gateway ends. `tasks/get` returns its status, and its
result when it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import BaseModel

from llm_gateway import CallContext, Gateway, JobId, Operation, answer
from llm_gateway.errors import GatewayError
from llm_gateway_transport_mcp.answers import result_answer

EXTENSION = "io.modelcontextprotocol/tasks"
_FIRST = "2026-07-28"
_POLL_MS = 5_000
_DAY_MS = 86_400_000
_LATER = "_async"
_STATUS = {"queued": "working", "running": "working", "canceled": "cancelled"}  #: any other: completed
#: -32021 of 2026-07-28: the client has not declared what it uses.
_UNDECLARED = -32021

Context = ServerRequestContext[Any, Any]


class TaskParams(types.RequestParams):
    """The task of a request."""

    task_id: str


class Tasks:
    """Answers calls with tasks, and the requests for those tasks."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def connect(self, server: Server[Any]) -> None:
        """Offer the extension, if the gateway has the operations that fetch a job's result later."""
        if self._gateway.defers:
            server.extensions[EXTENSION] = {}
            server.add_request_handler("tasks/get", TaskParams, self.get)
            server.add_request_handler("tasks/cancel", TaskParams, self.cancel)

    def start_operation(self, ctx: Context, operation: Operation) -> str | None:
        """Return the operation that starts the same work as a job; None: the call is answered as for any client."""
        name = f"{operation.name}{_LATER}"
        return name if name in self._gateway.operations and _declared(ctx) else None

    def task_result(self, result: BaseModel) -> types.CallToolResult:
        """Answer a call with its task. The SDK sends results of this form, but has no type for them."""
        task = {**self._view(result.model_dump(mode="json", by_alias=True)["job"]), "resultType": "task"}
        return cast("types.CallToolResult", task)

    async def get(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        """Return the status of a task, and its result if it has ended."""
        return await self._status(ctx, "llm_job_status", params.task_id)

    async def cancel(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        """End a task, and return its status."""
        return await self._status(ctx, "llm_job_cancel", params.task_id)

    async def _status(self, ctx: Context, operation: str, task_id: str) -> dict[str, Any]:
        if not _declared(ctx):
            needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
            raise MCPError(_UNDECLARED, f"The client has not declared {EXTENSION}", needed)
        try:
            found = await self._gateway.call(operation, {"jobId": task_id}, CallContext())
        except GatewayError as error:
            raise MCPError(types.INVALID_PARAMS, error.message, error.to_wire()) from error
        task = self._view(found.model_dump(mode="json", by_alias=True)["job"])
        if task["status"] == "completed":
            task["result"] = await self._result(task_id)
        return {**task, "resultType": "complete"}

    async def _result(self, task_id: str) -> dict[str, Any]:
        """Return the result that the call would have had without the extension."""
        job = await self._gateway.store.get_job(JobId(task_id))
        if job is None:
            raise MCPError(types.INVALID_PARAMS, "There is no such task")
        operation = self._gateway.operations.get(f"{job.provider}_request")
        if operation is None:
            raise MCPError(types.INVALID_PARAMS, f"The provider {job.provider} is no longer installed")
        result = result_answer(operation, await answer(self._gateway, job, deduplicated=False))
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    def _view(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return a job as a task."""
        return {
            "taskId": job["id"],
            "status": _STATUS.get(job["status"], "completed"),
            "statusMessage": f"{job['provider']}: {job['status']}",
            "createdAt": job["createdAt"],
            "lastUpdatedAt": job.get("endedAt") or job.get("startedAt") or job["createdAt"],
            "ttlMs": round(self._gateway.settings.jobs.retention_days * _DAY_MS),
            "pollIntervalMs": _POLL_MS,
        }


def _declared(ctx: Context) -> bool:
    capabilities = ctx.session.client_capabilities
    return ctx.session.protocol_version >= _FIRST and EXTENSION in ((capabilities and capabilities.extensions) or {})
