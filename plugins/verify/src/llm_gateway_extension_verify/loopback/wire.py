"""Just enough HTTP/1.1 for agents: requests with a body, answers whole or streamed, connections that stay open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

BODY_LIMIT = 64 * 1024 * 1024
HEAD_LIMIT = 64 * 1024
IDLE_S = 120.0


class BadRequest(Exception):
    """What came is no request that we can read."""


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises BadRequest."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise BadRequest("the body is not JSON") from error
        if not isinstance(value, dict):
            raise BadRequest("the body is not an object")
        return value


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """The next request of a connection; None when the client is done. Raises BadRequest."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_S)
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest("the headers are too long") from error
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    try:
        method, target, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise BadRequest("not HTTP/1.1") from error
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    elif 0 <= length <= BODY_LIMIT:
        body = await reader.readexactly(length)
    else:
        raise BadRequest("the body is too long")
    address = urlsplit(target)
    return HttpRequest(
        method=method, path=address.path, query=dict(parse_qsl(address.query)), headers=headers, body=body
    )


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        if size + len(body) > BODY_LIMIT:
            raise BadRequest("the body is too long")
        body += await reader.readexactly(size)
        await reader.readline()
        if size == 0:
            return bytes(body)


class Answer:
    """One answer: `send` for a whole one, or `begin`, `write` … and `end` for a stream."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.status = 0  #: 0 until something was sent

    async def send(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        """Send JSON."""
        body = json.dumps(value).encode()
        self._head(status, {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})})
        self._writer.write(body)
        await self._writer.drain()

    async def begin(self, headers: Mapping[str, str] | None = None) -> None:
        """Begin a stream of server-sent events."""
        fixed = {"content-type": "text/event-stream", "transfer-encoding": "chunked", "cache-control": "no-cache"}
        self._head(200, {**fixed, **(headers or {})})
        await self._writer.drain()

    async def event(self, value: Mapping[str, Any] | str, *, name: str | None = None) -> None:
        """Send one event; a string goes as it is."""
        told = value if isinstance(value, str) else json.dumps(value)
        data = (f"event: {name}\n" if name else "") + f"data: {told}\n\n"
        raw = data.encode()
        self._writer.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        await self._writer.drain()

    async def end(self) -> None:
        """End the stream."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def cut(self) -> None:
        """Break the connection, as a failing network does."""
        self._writer.transport.abort()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
