"""The parts below the protocol: the wire, the takeover from the handshake cache, the rate of progress notifications, the text of errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway import Gateway
from llm_gateway.errors import error_for
from llm_gateway.operations.presence import Presence
from llm_gateway.settings.model import Settings
from llm_gateway_transport_mcp.answers import error_answer
from llm_gateway_transport_mcp.progress import paced
from llm_gateway_transport_mcp.transport import McpTransport
from llm_gateway_transport_mcp.wire import LineTooLong, Wire, open_descriptors

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Empty(Gateway):
    version = "1"
    instructions = "Nothing here."
    operations = {}
    resources = []
    prompts = []
    environ = {"LLM_GATEWAY_HOME": "/dev/null/none"}  # nothing can be written there
    defers = False
    presence = Presence({}, Settings(home=Path("/"), config_file=Path("/none")), {})
    absent = frozenset()

    def __init__(self) -> None:
        """Hold nothing."""

    def listed_operations(self) -> list[Any]:
        return list(self.operations.values())


@contextmanager
def pipes() -> Iterator[tuple[int, int, int, int]]:
    """Give server read, client write, client read, server write."""
    server_read, client_write = os.pipe()
    client_read, server_write = os.pipe()
    fds = {server_read, client_write, client_read, server_write}
    try:
        yield server_read, client_write, client_read, server_write
    finally:
        for fd in fds:
            os.close(fd)


def request(method: str, request_id: int, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).encode()


HELLO = request(
    "initialize", 1, protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t", "version": "0"}
)


def test_the_plugin_is_imported_without_the_sdk() -> None:
    code = "import sys, llm_gateway_transport_mcp.plugin; sys.exit('mcp' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_lines_come_whole_and_the_last_needs_no_end() -> None:
    with pipes() as (server_read, client_write, client_read, server_write):
        async with open_descriptors(server_read, server_write) as wire:
            os.write(client_write, b"one\ntw")
            os.write(client_write, b"o\nthree")
            os.dup2(client_read, client_write)  # the client's end of it is closed
            with anyio.fail_after(10):
                assert [line async for line in wire.lines] == [b"one", b"two", b"three"]
            await wire.send(b"answer\n")
            assert os.read(client_read, 100) == b"answer\n"


async def test_a_silent_client_cannot_hold_up_the_end() -> None:
    class Pipe:
        def __init__(self, read_fd: int, write_fd: int) -> None:
            self._fds = read_fd, write_fd

        def acquire(self) -> None:
            """Do nothing: the pipe belongs to this test."""

        @asynccontextmanager
        async def open(self) -> AsyncIterator[Wire]:
            async with open_descriptors(*self._fds) as wire:
                os.write(client_write, HELLO + b"\n")
                yield wire

    with pipes() as (server_read, client_write, client_read, server_write):
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(McpTransport(Pipe(server_read, server_write)).serve, Empty())
                assert (
                    json.loads(await anyio.to_thread.run_sync(os.read, client_read, 65536, abandon_on_cancel=True))[
                        "id"
                    ]
                    == 1
                )
                tasks.cancel_scope.cancel()
        os.write(client_write, b"\n")  # let the reading thread go before its descriptor does


async def test_a_handshake_cache_may_answer_first_and_hand_the_rest_over() -> None:
    sent: list[dict[str, Any]] = []

    class HandshakeCache:
        def acquire(self) -> None:
            """Do nothing."""

        @asynccontextmanager
        async def open(self) -> AsyncIterator[Wire]:
            answered = anyio.Event()

            async def lines() -> AsyncIterator[bytes | LineTooLong]:
                yield HELLO  # answered by the handshake cache already; the SDK must read it as well
                yield b'{"jsonrpc": "2.0", "method": "notifications/initialized"}'
                yield request("tools/list", 2)
                await answered.wait()

            async def send(line: bytes) -> None:
                answer = json.loads(line)
                if answer["id"] != 1:
                    sent.append(answer)
                    answered.set()

            yield Wire(lines=lines(), send=send)

    with anyio.fail_after(20):
        await McpTransport(HandshakeCache()).serve(Empty())
    assert sent == [{"jsonrpc": "2.0", "id": 2, "result": {"tools": []}}]


async def test_progress_within_one_interval_keeps_the_last_message() -> None:
    sent: list[tuple[float, str]] = []
    first = anyio.Event()

    async def send(number: float, message: str) -> None:
        sent.append((number, message))
        first.set()

    with anyio.fail_after(10):
        async with paced(send) as progress:
            await progress("a")
            await first.wait()
            for message in "bcd":
                await progress(message)
    assert sent == [(1.0, "a"), (2.0, "d")]


@pytest.mark.parametrize(
    ("schema", "has_status"),
    [
        (None, True),
        ({"properties": {"status": {"type": "string"}}}, True),
        ({"properties": {"status": {"enum": ["running", "failed"]}}}, True),
        ({"properties": {"status": {"$ref": "#/$defs/S"}}, "$defs": {"S": {"enum": ["failed"]}}}, True),
        ({"properties": {"status": {"enum": ["running"]}}}, False),
        ({"properties": {"status": {"type": "integer"}}}, False),
        ({"properties": {"status": {"const": "ok"}}}, False),
    ],
    ids=["none", "string", "enum", "ref", "other-enum", "number", "const"],
)
def test_a_failure_says_failed_only_where_the_schema_knows_the_word(
    schema: dict[str, Any] | None, has_status: bool
) -> None:
    answer = error_answer(error_for("saturated"), schema)
    assert ("status" in answer.structured_content) is has_status
    assert answer.structured_content["error"]["code"] == "saturated"
