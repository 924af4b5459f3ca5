"""Converts between the lines of the connection and the messages of the SDK, while a server runs."""

from __future__ import annotations

import json
import logging
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage

from llm_gateway import json_of
from llm_gateway_transport_mcp.wire import MAX_LINE_BYTES, LineTooLong, Wire

log = logging.getLogger(__name__)

_Item = SessionMessage | Exception
#: How many answers may wait for the client to read them. With more of them no further request is read.
_UNREAD = 64


async def converse(server: Server[Any], wire: Wire) -> None:
    """Run the server over the wire until the client closes its input, or can no longer be written to."""
    arrived, incoming = anyio.create_memory_object_stream[_Item](0)
    outgoing, departing = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        unread = _Unread(outgoing)
        tasks.start_soon(_receive, wire, arrived, outgoing.clone(), unread)
        tasks.start_soon(_send, wire, departing, tasks.cancel_scope, unread)
        await server.run(incoming, outgoing, server.create_initialization_options())


class _Unread:
    """The answers that were sent and that the client has not read yet."""

    def __init__(self, outgoing: MemoryObjectSendStream[SessionMessage]) -> None:
        self._outgoing = outgoing
        self._read = anyio.Event()

    def one_was_read(self) -> None:
        self._read.set()
        self._read = anyio.Event()

    async def wait_until_few(self) -> None:
        """Wait until no more than `_UNREAD` are left."""
        while self._outgoing.statistics().tasks_waiting_send > _UNREAD:
            await self._read.wait()


async def _receive(
    wire: Wire,
    arrived: MemoryObjectSendStream[_Item],
    outgoing: MemoryObjectSendStream[SessionMessage],
    unread: _Unread,
) -> None:
    async with arrived, outgoing:
        async for line in wire.lines:
            await unread.wait_until_few()
            if isinstance(line, LineTooLong):
                await outgoing.send(_refusal(types.INVALID_REQUEST, f"line longer than {MAX_LINE_BYTES >> 20} MiB"))
            elif line.strip():
                try:
                    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    await outgoing.send(_refuse(line))
                else:
                    await arrived.send(SessionMessage(message))


def _refuse(line: bytes) -> SessionMessage:
    """Answer a line that is not a message, under its id if it has one. The SDK would drop it, and the sender would wait for ever."""
    try:
        message = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return _refusal(types.PARSE_ERROR, "this line is not JSON")
    request_id = message.get("id") if isinstance(message, dict) else None
    known = isinstance(request_id, int | str) and not isinstance(request_id, bool)
    return _refusal(types.INVALID_REQUEST, "not a JSON-RPC 2.0 message in UTF-8", request_id if known else None)


def _refusal(code: int, message: str, request_id: types.RequestId | None = None) -> SessionMessage:
    log.warning("refused a line from the client: %s", message)
    error = types.ErrorData(code=code, message=message)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error))


async def _send(
    wire: Wire,
    departing: MemoryObjectReceiveStream[SessionMessage],
    everything: anyio.CancelScope,
    unread: _Unread,
) -> None:
    async with departing:
        async for item in departing:
            line = json_of(item.message, by_alias=True, exclude_unset=True).encode() + b"\n"
            try:
                await wire.send(line)
                unread.one_was_read()
            except OSError:
                log.debug("the client has closed the connection")
                everything.cancel()
                return
