"""The server for open gateways without the SDK says what the SDK's server says, byte for byte, and ends as that does."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from llm_gateway_transport_mcp.conversation import converse
from llm_gateway_transport_mcp.direct import DirectServer
from llm_gateway_transport_mcp.manifest import results_of
from llm_gateway_transport_mcp.server import build_server
from llm_gateway_transport_mcp.wire import LineTooLong, Wire

pytestmark = pytest.mark.anyio
FakeGateway: Any = runpy.run_path(str(Path(__file__).with_name("serve_fake.py")))["FakeGateway"]
VERSION = "2025-11-25"
HELLO = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
#: What a client sends, and how many lines it waits for before it sends the next.
Step = tuple[bytes | LineTooLong, int]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def frame(method: str, request_id: Any = None, **params: Any) -> bytes:
    known = {} if request_id is None else {"id": request_id}
    return json.dumps({"jsonrpc": "2.0", **known, "method": method, "params": params}, ensure_ascii=False).encode()


def call(request_id: Any, name: str, **params: Any) -> bytes:
    return frame("tools/call", request_id, name=name, **params)


GREETING: list[Step] = [(frame("initialize", 0, **HELLO), 1), (frame("notifications/initialized"), 0)]


class Client:
    """Sends steps over a wire; the input ends after the last."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps
        self.received: list[bytes] = []
        self._more = anyio.Event()
        self.wire = Wire(lines=self._lines(), send=self._receive)
        self.gone_after: int | None = None  #: the client cannot be written to after so many lines

    async def _lines(self) -> AsyncIterator[bytes | LineTooLong]:
        expected = 0
        for line, answers in self._steps:
            expected += answers
            yield line
            while len(self.received) < expected:
                await self._more.wait()
        await anyio.lowlevel.checkpoint()

    async def _receive(self, line: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        if self.gone_after is not None and len(self.received) >= self.gone_after:
            raise BrokenPipeError
        self.received.append(line)
        self._more.set()
        self._more = anyio.Event()


async def by_sdk(gateway: Any, steps: list[Step], gone_after: int | None = None) -> list[bytes]:
    client = Client([*GREETING, *steps])
    client.gone_after = None if gone_after is None else gone_after + 1
    with anyio.fail_after(30):
        await converse(build_server(gateway), client.wire)
    return client.received[1:]


async def directly(gateway: Any, steps: list[Step], gone_after: int | None = None) -> list[bytes]:
    results = await results_of(build_server(gateway), VERSION)
    answers: Any = SimpleNamespace(
        look=lambda: False, follows_programs=True, programs=[], result=lambda method, _: results.get(method)
    )
    replay = b"".join(line + b"\n" for line, _ in GREETING if isinstance(line, bytes))
    cache: Any = SimpleNamespace(answers=answers, version=VERSION, replay=replay, answered=[0])
    client = Client(steps)
    client.gone_after = gone_after
    with anyio.fail_after(30):
        await DirectServer(gateway, client.wire, cache).serve()
    return client.received


Way = Callable[[Any, list[Step]], Awaitable[list[bytes]]]
DEEP = b'{"jsonrpc":"2.0","id":3,"method":"ping","params":{"_meta":' + b'{"x":' * 300 + b"1" + b"}" * 302
SESSIONS: dict[str, list[Step]] = {
    "lists": [
        (frame(name, 1), 1) for name in ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
    ],
    "results": [
        (call(1, "echo", arguments={"text": "hé\u2028\U0001f600"}), 1),
        (call("2", "echo"), 1),
        (call(3, "big", arguments={"number": 100_000}), 1),
        (call(4, "report_failure"), 1),
        (call(5, "shapeless"), 1),
        (call(6, "echo", arguments={"text": "ü" * 2_000_000}), 1),
        (call(7, "json_words", arguments={"text": "é"}, _meta={"claude/tool": {"a": [1]}}), 1),
    ],
    "failures": [
        (call(1, "fail", arguments={"text": "saturated"}), 1),
        (call(2, "fail_closed"), 1),
        (call(3, "crash"), 1),
        (call(4, "miss"), 1),
        (call(5, "echo", arguments={"txet": "x"}), 1),
        (call(6, "none"), 1),
    ],
    "unusual": [
        (call(1, "echo", arguments=None), 1),
        (call(2, "echo", arguments=[1]), 1),
        (frame("tools/call", 3, arguments={}), 1),
        (call(4, "echo", _meta=5), 1),
        (call(5, "echo", _meta={"progressToken": True}), 1),
        (call(6, "echo", _meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"}), 1),
        (call(7, "echo", task={}), 1),
        (frame("tools/list", 8, cursor="x"), 1),
        (frame("ping", 9, x=1), 1),
        (frame("ping", "é"), 1),
        (frame("ping", 2**70), 1),
        (frame("logging/setLevel", 10, level="info"), 1),
        (frame("nothing", 11), 1),
        (frame("resources/read", 12, uri="jobs://all"), 1),
        (frame("prompts/get", 13, name="review", arguments={"file": "a"}), 1),
        (frame("initialize", 14, **HELLO), 1),
    ],
    "no messages": [
        (b"no JSON", 1),
        (b"", 0),
        (b" \r", 0),
        (b'{"jsonrpc": "2.0", "id": 3, "method"', 1),
        (b'[{"jsonrpc": "2.0", "id": 3, "method": "ping"}]', 1),
        (b'{"jsonrpc": "2.0", "id": 3, "method": 17}', 1),
        (b'{"jsonrpc": "1.0", "id": 3, "method": "ping"}', 1),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', 0),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', 0),
        (b'{"jsonrpc": "2.0", "id": "s", "method": "ping", "params": {"x": "\\ud800"}}', 1),
        (
            b'{"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "echo", "_meta": {"x": "\\ud800"}}}',
            1,
        ),
        (b'{"jsonrpc": "2.0", "id": 4, "method": "ping", "params": {"x": "\xff"}}', 1),
        (frame("ping", 5).decode().encode("utf-16"), 1),
        (DEEP, 1),
        (LineTooLong(), 1),
        (b'{"jsonrpc": "2.0", "id": 99, "result": {}}', 0),
        (frame("ping", 6), 1),
    ],
    "notifications": [
        (frame("notifications/cancelled", requestId=77), 0),
        (frame("notifications/cancelled"), 0),
        (frame("notifications/roots/list_changed"), 0),
        (frame("notifications/initialized"), 0),
        (frame("notifications/mine", x=1), 0),
        (frame("notifications/progress", progressToken=1, progress=1), 0),
        (frame("ping", 1), 1),
    ],
    "progress": [
        (call(1, "steps", arguments={"number": 1}, _meta={"progressToken": "t"}), 2),
        (call(2, "steps", arguments={"number": 1}, _meta={"progressToken": 7}), 2),
        (call(3, "steps", arguments={"number": 3}), 1),
    ],
}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())
async def test_it_says_what_the_sdk_says(session: list[Step]) -> None:
    expected = await by_sdk(FakeGateway(), session)
    found = await directly(FakeGateway(), session)
    assert [_plain(line) for line in found] == [_plain(line) for line in expected]


def _plain(line: bytes) -> bytes:
    return re.sub(rb"correlation [0-9a-f]{12}", b"correlation", line)


@pytest.mark.parametrize("way", [by_sdk, directly])
@pytest.mark.parametrize("spelled", [5, "5"])
async def test_a_cancelled_call_is_not_answered(way: Way, spelled: int | str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hang = call(5, "hang", arguments={"path": str(mark)}, _meta={"progressToken": 1})
    session: list[Step] = [(hang, 1), (frame("notifications/cancelled", requestId=spelled), 0), (frame("ping", 6), 1)]
    received = await way(FakeGateway(), session)
    assert [json.loads(line).get("id") for line in received] == [None, 6]
    assert mark.read_text() == "cancelled"


async def test_the_end_of_the_input_ends_a_call_with_the_same_error(tmp_path: Path) -> None:
    session: list[Step] = [(call(1, "hang", arguments={"path": str(tmp_path / "mark")}, _meta={"progressToken": 1}), 1)]
    found = await directly(FakeGateway(), session)
    assert found == await by_sdk(FakeGateway(), session)
    assert json.loads(found[-1])["error"]["code"] == -32000
    assert (tmp_path / "mark").read_text() == "cancelled"


@pytest.mark.parametrize("line", [call(2, "echo"), frame("ping", 2), frame("prompts/get", 2, name="none")])
async def test_a_client_that_cannot_be_written_to_ends_it(line: bytes, tmp_path: Path) -> None:
    hang = call(1, "hang", arguments={"path": str(tmp_path / "mark")}, _meta={"progressToken": 1})
    received = await directly(FakeGateway(), [(hang, 1), (line, 1), (frame("ping", 3), 9)], 1)
    assert len(received) == 1
    assert (tmp_path / "mark").read_text() == "cancelled"


async def test_an_id_that_is_used_again_while_its_call_runs_is_survived(tmp_path: Path) -> None:
    hang = call(5, "hang", arguments={"path": str(tmp_path / "mark")}, _meta={"progressToken": 1})
    session: list[Step] = [(hang, 1), (call(5, "echo"), 1), (frame("ping", 5), 1), (frame("ping", 6), 1)]
    received = await directly(FakeGateway(), session)
    assert [json.loads(line).get("id") for line in received[:4]] == [None, 5, 5, 6]


async def test_calls_run_beside_each_other_and_beside_the_sdk(tmp_path: Path) -> None:
    hangs: list[Step] = [
        (call(n, "hang", arguments={"path": str(tmp_path / f"{n}")}, _meta={"progressToken": n}), 1) for n in range(200)
    ]
    received = await directly(
        FakeGateway(), [*hangs, (frame("resources/read", "r", uri="jobs://all"), 1), (frame("ping", "p"), 1)]
    )
    assert [json.loads(line).get("id") for line in received[200:202]] == ["r", "p"]
    assert len({json.loads(line)["id"] for line in received[202:]}) == 200
