"""The gateway's operations as MCP tools."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import uuid4

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import BaseModel

from llm_gateway import CallContext, Gateway, Operation
from llm_gateway.errors import GatewayError
from llm_gateway_transport_mcp.answers import crash_answer, error_answer, result_answer
from llm_gateway_transport_mcp.elicitation import AnswerFirst, Elicitation
from llm_gateway_transport_mcp.progress import paced
from llm_gateway_transport_mcp.roots import Roots
from llm_gateway_transport_mcp.schema import input_schema, output_schema
from llm_gateway_transport_mcp.serializable import NotSerializable, shown
from llm_gateway_transport_mcp.tasks import Tasks

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]
#: The names that hosts accept. Some refuse every tool of a server if one tool has another kind of name.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class Tools:
    """Answers tools/list and tools/call."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._elicitation = Elicitation()
        self._roots = Roots()
        self._tasks = Tasks(gateway)

    def connect(self, server: Server[Any]) -> None:
        """Add the handlers that tools need besides tools/list and tools/call."""
        self._tasks.connect(server)
        self._roots.connect(server)

    async def list(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """List the operations. One that cannot be listed is reported as a problem of its plugin.

        The operations of a provider whose program was not found are left out: see `Gateway.listed_operations`.
        """
        operations = self._gateway.listed_operations()
        listed = listing(operations)
        if missing := {operation.name for operation in operations} - {tool.name for tool in listed.tools}:
            host = self._gateway.host
            for plugin, operation in host.operations():
                if str(operation.name) in missing:
                    host.report(plugin, f"operation {operation.name} is not listed, because its schema cannot be used")
        return listed

    async def call(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Run one operation. A cancelled request cancels the call; the kernel decides whether to cancel its job."""
        operation = self._gateway.operations.get(params.name)
        if operation is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        try:
            start_operation = self._tasks.start_operation(ctx, operation)
            if start_operation is not None:
                channels = self._elicitation.channels(ctx, params, self._roots)
                context = CallContext(ask=channels.human, roots=channels.roots)
                job = await self._gateway.call(start_operation, params.arguments or {}, context)
                return self._tasks.task_result(job)
            return result_answer(operation, await self._carry_out(ctx, operation, params))
        except AnswerFirst as waiting:
            return self._elicitation.request_input(waiting, params)
        except MCPError:  # the protocol's own answer
            raise
        except GatewayError as error:
            tools = shown("tool", [operation], _tool)
            return error_answer(error, tools[0].output_schema if tools else None)
        except Exception:
            correlation = uuid4().hex[:12]
            log.exception("%s failed (correlation %s)", operation.name, correlation)
            return crash_answer(operation.name, correlation)

    async def _carry_out(self, ctx: Context, operation: Operation, params: types.CallToolRequestParams) -> BaseModel:
        arguments = params.arguments or {}
        channels = self._elicitation.channels(ctx, params, self._roots)
        context = CallContext(ask=channels.human, roots=channels.roots)
        if "progress_token" not in (ctx.meta or {}):
            return await self._gateway.call(operation.name, arguments, context)

        async def send(number: float, message: str) -> None:
            await ctx.session.report_progress(number, None, message)

        outcome: BaseModel | Exception
        async with paced(send) as progress:
            try:
                outcome = await self._gateway.call(operation.name, arguments, replace(context, progress=progress))
            except (
                Exception
            ) as error:  # raised after the block, so that the task group does not wrap it in an ExceptionGroup
                outcome = error
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def listing(operations: Iterable[Operation]) -> types.ListToolsResult:
    """Make tools of operations, sorted by name. One without a usable schema is left out and logged."""
    return types.ListToolsResult(tools=shown("tool", sorted(operations, key=lambda operation: operation.name), _tool))


def listing_bytes(operations: Iterable[Operation], *, for_models: bool = False) -> int:
    """Return how many bytes the tools of these operations take in tools/list.

    :param for_models: count only the parts that hosts show to a model: names, descriptions and input schemas.
    """
    only = {"name", "description", "input_schema"} if for_models else None
    tools = listing(operations).tools
    return sum(len(tool.model_dump_json(by_alias=True, exclude_none=True, include=only).encode()) + 1 for tool in tools)


@cache
def _tool(operation: Operation) -> types.Tool:
    if not _NAME.fullmatch(operation.name):
        raise NotSerializable(f"its name does not match {_NAME.pattern}")
    return types.Tool(
        name=operation.name,
        title=operation.title,
        description=operation.description,
        input_schema=input_schema(operation.params, operation.hidden, brief=operation.brief),
        output_schema=output_schema(operation.result),
        annotations=types.ToolAnnotations(
            read_only_hint=operation.read_only,
            destructive_hint=None if operation.read_only else operation.destructive,
            idempotent_hint=operation.idempotent or None,
            open_world_hint=None if operation.open_world else False,
        ),
    )
