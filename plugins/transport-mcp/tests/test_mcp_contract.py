"""MCP over stdio keeps the contract of a transport, on a connection in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from llm_gateway import Gateway
from llm_gateway_testing import Told, TransportContract
from llm_gateway_transport_mcp.transport import McpTransport
from llm_gateway_transport_mcp.wire import Wire

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}


class Connection:
    """Both ends of a connection in memory, one for the transport and one for the client."""

    def __init__(self) -> None:
        self.requests, self._lines = anyio.create_memory_object_stream[bytes](100)
        self._send, self.answers = anyio.create_memory_object_stream[bytes](100)

    def acquire(self) -> None:
        """Do nothing: it belongs to this test."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        async with self._lines, self._send:
            yield Wire(lines=self._lines, send=self._send.send)


class Client:
    """A client that may have several calls under way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._news = anyio.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0

    async def listen(self) -> None:
        async for data in self._connection.answers:
            async with self._news:
                answer = json.loads(data)
                self._answers[answer.get("id")] = answer
                self._news.notify_all()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        await self._connection.requests.send(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        )
        async with self._news:
            while number not in self._answers:
                await self._news.wait()
        return self._answers.pop(number)

    async def names(self) -> Collection[str]:
        return [tool["name"] for tool in (await self.ask("tools/list"))["result"]["tools"]]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Told:
        answer = await self.ask("tools/call", name=name, arguments=arguments)
        if "error" in answer:
            return Told(text=answer["error"]["message"], error="")
        result = answer["result"]
        text = "\n".join(block["text"] for block in result["content"])
        data = result.get("structuredContent") or {}
        if not result.get("isError"):
            return Told(text=text, data=data)
        return Told(text=text, error=data.get("error", {}).get("code", text.partition(":")[0]))


class TestMcp(TransportContract):
    @asynccontextmanager
    async def connect(self, gateway: Gateway, folder: Path) -> AsyncIterator[Client]:
        connection = Connection()
        client = Client(connection)
        async with connection.requests, connection.answers, anyio.create_task_group() as tasks:
            tasks.start_soon(McpTransport(connection).serve, gateway)
            tasks.start_soon(client.listen)
            await client.ask("initialize", **HELLO)
            yield client
            connection.requests.close()  # the client closes its end: serving ends by itself
