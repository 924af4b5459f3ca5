"""Serves a client of the handshake cache once its gateway is open, without the SDK, which takes most of the time of a short call.

It answers `ping`, the lists and tool calls in their usual form. Any other message goes to the SDK's server, which is imported for
the first of them and runs beside this one on the same connection. The answers are those of that server, byte for byte; a test
compares them. A client that can be asked something (roots, elicitation) is served by the SDK alone: see `transport.py`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import BaseModel
from pydantic_core import from_json

from llm_gateway import CallContext, Gateway, Operation, json_of
from llm_gateway.errors import GatewayError
from llm_gateway_transport_mcp.handshake_cache import CHANGED, LOOK_EVERY_S, HandshakeCache
from llm_gateway_transport_mcp.loading import import_sdk
from llm_gateway_transport_mcp.prebuilt import LISTS
from llm_gateway_transport_mcp.progress import paced
from llm_gateway_transport_mcp.results import crash_result, error_result, operation_result
from llm_gateway_transport_mcp.takeover import without_answers_to
from llm_gateway_transport_mcp.usual import has_usual_meta, is_plain_id, usual_form
from llm_gateway_transport_mcp.wire import LineTooLong, Wire

if TYPE_CHECKING:
    from llm_gateway_transport_mcp.usual import Message

log = logging.getLogger(__name__)

_CONNECTION_CLOSED = {"code": -32000, "message": "Connection closed"}
#: How long a last answer may take at the end, in seconds.
_LAST_ANSWER_S = 1.0
#: How many answers may wait for the client to read them. With more of them no further line is read.
_UNREAD = 64
#: A longer line is left to the SDK, which parses it in any case.
_USUAL_BYTES = 1024 * 1024


class _Result(BaseModel):
    jsonrpc: str = "2.0"
    id: int | str
    result: dict[str, Any]


class _Error(BaseModel):
    jsonrpc: str = "2.0"
    id: int | str
    error: dict[str, Any]


class _Progress(BaseModel):
    jsonrpc: str = "2.0"
    method: str = "notifications/progress"
    params: dict[str, Any]


class DirectServer:
    """Serves the one client of a handshake cache."""

    def __init__(self, gateway: Gateway, wire: Wire, cache: HandshakeCache) -> None:
        self._gateway = gateway
        self._wire = wire
        self._cache = cache
        self._running: dict[str, anyio.CancelScope] = {}  # by the text of the id: a client may cancel 7 as "7"
        self._lists_fit = True  # whether the cache's lists fit the programs that are found
        self._unread = 0
        self._one_was_read = anyio.Event()
        self._sdk_lines: MemoryObjectSendStream[bytes | LineTooLong] | None = None
        self._sdk_ended = anyio.Event()

    async def serve(self) -> None:
        """Serve the client until it closes its end. Calls that have not ended then are answered with an error."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_programs, tasks)
            try:
                async for line in self._wire.lines:
                    while self._unread > _UNREAD:
                        await self._one_was_read.wait()
                    if isinstance(line, LineTooLong) or not self._take(line, tasks):
                        await self._pass_on(line, tasks)
            finally:
                if self._sdk_lines:
                    self._sdk_lines.close()
            if self._sdk_lines:
                await self._sdk_ended.wait()
            tasks.cancel_scope.cancel()

    def _take(self, line: bytes, tasks: anyio.abc.TaskGroup) -> bool:
        """Start to answer a message; False: the SDK must answer it."""
        if not line.strip():
            return True
        message = _parse(line)
        if message is None:
            return False
        method, request_id, params = message
        if request_id is None:
            if method == "notifications/cancelled":
                self._cancel(params)
            return self._sdk_lines is None  # no other notification changes an answer, unless a request waits there
        if not has_usual_meta(params) or str(request_id) in self._running:
            return False
        if method == "ping" and not params:
            tasks.start_soon(self._send, _Result(id=request_id, result={}), tasks)
        elif method in LISTS and params.keys() <= {"_meta"} and self._lists_fit:
            text = self._cache.answers.result(method, self._cache.version)
            tasks.start_soon(self._write, f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{text}}}\n', tasks)
        elif (operation := self._called(method, params)) is not None:
            scope = self._running[str(request_id)] = anyio.CancelScope()
            tasks.start_soon(self._answer_call, request_id, operation, params, scope, tasks)
        else:
            return False
        return True

    def _called(self, method: str, params: Mapping[str, Any]) -> Operation | None:
        """Return the operation of a tool call in its usual form."""
        if method != "tools/call" or params.keys() - {"name", "arguments", "_meta"}:
            return None
        name, arguments = params.get("name"), params.get("arguments", {})
        return self._gateway.operations.get(name) if isinstance(name, str) and isinstance(arguments, dict) else None

    def _cancel(self, params: Mapping[str, Any]) -> None:
        request_id = params.get("requestId")
        scope = self._running.get(str(request_id)) if is_plain_id(request_id) else None
        if scope is not None:
            scope.cancel()

    async def _answer_call(
        self,
        request_id: int | str,
        operation: Operation,
        params: Mapping[str, Any],
        scope: anyio.CancelScope,
        tasks: anyio.abc.TaskGroup,
    ) -> None:
        answers = False
        try:
            with scope:
                try:
                    result = await self._carry_out(operation, params, tasks)
                finally:
                    del self._running[str(request_id)]
                answers = True
                await self._send(_Result(id=request_id, result=result), tasks)
        except anyio.get_cancelled_exc_class():
            if not answers and not scope.cancel_called:
                with anyio.move_on_after(_LAST_ANSWER_S, shield=True):
                    await self._send(_Error(id=request_id, error=_CONNECTION_CLOSED), tasks)
            raise

    async def _carry_out(
        self, operation: Operation, params: Mapping[str, Any], tasks: anyio.abc.TaskGroup
    ) -> dict[str, Any]:
        arguments = params.get("arguments", {})
        token = params.get("_meta", {}).get("progressToken")
        try:
            if token is None:
                return operation_result(operation, await self._gateway.call(operation.name, arguments, CallContext()))
            return operation_result(operation, await self._with_progress(operation, arguments, token, tasks))
        except GatewayError as error:
            return error_result(error, operation)
        except Exception:
            correlation = uuid4().hex[:12]
            log.exception("%s failed (correlation %s)", operation.name, correlation)
            return crash_result(operation.name, correlation)

    async def _with_progress(
        self, operation: Operation, arguments: Mapping[str, Any], token: int | str, tasks: anyio.abc.TaskGroup
    ) -> BaseModel:
        async def send(number: float, message: str) -> None:
            params = {"progressToken": token, "progress": number, "message": message}
            await self._send(_Progress(params=params), tasks)

        outcome: BaseModel | Exception
        async with paced(send) as progress:
            try:
                context = replace(CallContext(), progress=progress)
                outcome = await self._gateway.call(operation.name, arguments, context)
            except Exception as error:  # raised after the block, so that the task group does not wrap it
                outcome = error
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _send(self, message: BaseModel, tasks: anyio.abc.TaskGroup) -> None:
        await self._write(json_of(message) + "\n", tasks)

    async def _write(self, line: str, tasks: anyio.abc.TaskGroup) -> None:
        self._unread += 1
        try:
            await self._wire.send(line.encode())
        except OSError:
            log.debug("the client has closed the connection")
            tasks.cancel_scope.cancel()
        finally:
            self._unread -= 1
            self._one_was_read.set()
            self._one_was_read = anyio.Event()

    async def _pass_on(self, line: bytes | LineTooLong, tasks: anyio.abc.TaskGroup) -> None:
        """Give a line to the SDK's server; start it for the first one."""
        if self._sdk_lines is None:
            self._sdk_lines, received = anyio.create_memory_object_stream[bytes | LineTooLong](0)
            tasks.start_soon(self._run_sdk, received, tasks)
        with suppress(anyio.BrokenResourceError):  # it has ended because the client has closed the connection
            await self._sdk_lines.send(line)

    async def _run_sdk(
        self, received: MemoryObjectReceiveStream[bytes | LineTooLong], tasks: anyio.abc.TaskGroup
    ) -> None:
        try:
            async with received:
                sdk = await to_thread.run_sync(import_sdk)
                send = without_answers_to(self._cache.answered, self._wire.send)
                wire = Wire(lines=_after(self._cache.replay, received), send=send)
                await sdk.converse(sdk.build_server(self._gateway), wire)
                if received.statistics().open_send_streams:  # it ended because the client has closed the connection
                    tasks.cancel_scope.cancel()
        finally:
            self._sdk_ended.set()

    async def _watch_programs(self, tasks: anyio.abc.TaskGroup) -> None:
        """Notify the client when a program appears or disappears."""
        while True:
            if await to_thread.run_sync(self._look):
                self._lists_fit = self._cache.answers.follows_programs
                if not self._gateway.settings.surface.show_absent:
                    await self._write(CHANGED.decode(), tasks)
            await anyio.sleep(LOOK_EVERY_S)

    def _look(self) -> bool:
        self._gateway.presence.look()
        return self._cache.answers.look()


def _parse(line: bytes) -> Message | None:
    """Parse as the SDK does."""
    if len(line) > _USUAL_BYTES:
        return None
    try:
        return usual_form(from_json(line))
    except ValueError:
        return None


async def _after(
    replay: bytes, received: MemoryObjectReceiveStream[bytes | LineTooLong]
) -> AsyncIterator[bytes | LineTooLong]:
    """Yield the lines of the handshake, then those that are received."""
    for line in replay.splitlines():
        yield line
    async for later in received:
        yield later
