"""The transport byte by byte: frames written by the test, bad lines, the end of the input."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from hypothesis import given, strategies as st

SERVER = Path(__file__).with_name("serve_fake.py")
CLIENT = {"name": "client", "version": "0"}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT,
}


class RawClient:
    """Writes frames, reads frames; every wait is bounded."""

    def __init__(self, python: tuple[str, ...], *args: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*python, str(SERVER), *args], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        self._lines: Queue[bytes] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def write(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        line = self._lines.get(timeout=30)
        assert line.endswith(b"\n"), "the server has closed its output"
        frame = json.loads(line)
        assert frame["jsonrpc"] == "2.0"
        return dict(frame)

    def ask(self, request_id: int | str, method: str, **params: Any) -> dict[str, Any]:
        self.write(frame(method, params, request_id))
        answer = self.read()
        assert answer["id"] == request_id
        return answer

    def end(self) -> int:
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        self.process.stdout.close()
        return code


def frame(method: str, params: dict[str, Any], request_id: int | str | None = None) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if request_id is not None:
        message["id"] = request_id
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


def initialize(client: RawClient, version: str = "2025-11-25") -> dict[str, Any]:
    answer = client.ask(0, "initialize", protocolVersion=version, capabilities={}, clientInfo=CLIENT)
    client.write(frame("notifications/initialized", {}))
    return answer


@pytest.fixture
def client(python: tuple[str, ...]) -> Iterator[RawClient]:
    client = RawClient(python)
    yield client
    client.end()


@pytest.fixture(scope="module")
def greeted(python: tuple[str, ...]) -> Iterator[RawClient]:
    client = RawClient(python, "--preload")
    initialize(client)
    yield client
    assert client.end() == 0


@pytest.mark.parametrize("version", ["2024-11-05", "2025-11-25", "1999-01-01"])
def test_initialize_agrees_on_a_version_and_the_end_of_input_ends_the_process(version: str, client: RawClient) -> None:
    result = initialize(client, version)["result"]
    assert result["protocolVersion"] == (version if version > "2" else "2025-11-25")
    assert result["serverInfo"] == {"name": "llm-gateway", "title": "LLM Gateway", "version": "9.8.7"}
    assert result["instructions"] == "Ask the fake."
    assert set(result["capabilities"]) == {"tools", "resources", "prompts"}
    assert client.end() == 0


def test_the_modern_era_needs_no_handshake(client: RawClient) -> None:
    found = client.ask("d", "server/discover", _meta=MODERN)["result"]
    assert found["supportedVersions"] == ["2026-07-28"]
    assert found["instructions"] == "Ask the fake."
    called = client.ask("c", "tools/call", name="echo", arguments={"text": "hi"}, _meta=MODERN)["result"]
    assert called["resultType"] == "complete"
    assert called["structuredContent"] == {"text": "hi", "length": 2}
    failed = client.ask("f", "tools/call", name="fail_closed", _meta=MODERN)["result"]
    assert failed["isError"] is True
    assert failed["structuredContent"]["error"]["code"] == "saturated"
    assert client.end() == 0


def test_the_input_may_end_before_any_message(client: RawClient) -> None:
    assert client.end() == 0


def test_the_sdk_is_imported_by_the_first_gateway_that_serves_and_not_before() -> None:
    client = RawClient((sys.executable,), "--as-started")
    try:
        initialize(client)
    finally:
        assert client.end() == 0


def test_the_input_may_end_during_a_call(client: RawClient, tmp_path: Path) -> None:
    initialize(client)
    mark = tmp_path / "mark"
    meta = {"progressToken": "t"}
    client.write(frame("tools/call", {"name": "hang", "arguments": {"path": str(mark)}, "_meta": meta}, 1))
    assert client.read()["params"] == {"progressToken": "t", "progress": 1.0, "message": "hanging"}
    assert client.end() == 0
    assert mark.read_text() == "cancelled"


def test_cancel_by_hand_reaches_the_handler(greeted: RawClient, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    meta = {"progressToken": 7}
    greeted.write(frame("tools/call", {"name": "hang", "arguments": {"path": str(mark)}, "_meta": meta}, 5))
    assert greeted.read()["params"]["message"] == "hanging"
    greeted.write(frame("notifications/cancelled", {"requestId": 5}))
    assert "result" in greeted.ask(6, "ping")
    assert mark.read_text() == "cancelled"


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"this is no JSON\n", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 3, "method"\n', -32700, None),
        (b'{"jsonrpc": "2.0", "id": 3, "method": 17}\n', -32600, 3),
        (b'[{"jsonrpc": "2.0", "id": 3, "method": "ping"}]\n', -32600, None),
        (b'{"jsonrpc": "2.0", "id": "s", "method": "ping", "params": {"x": "\\ud800"}}\n', -32600, "s"),
        (b'{"jsonrpc": "2.0", "id": 4, "method": "ping", "params": {"x": "\xff"}}\n', -32600, 4),
        (b"[" * 100_000 + b"\n", -32700, None),
    ],
    ids=["words", "cut", "no-method", "batch", "surrogate", "not-utf8", "deep"],
)
def test_a_bad_line_is_answered_and_the_next_one_served(
    greeted: RawClient, line: bytes, code: int, request_id: int | str | None
) -> None:
    greeted.write(line)
    answer = greeted.read()
    assert answer["error"]["code"] == code
    assert answer["id"] == request_id
    assert "result" in greeted.ask(1, "ping")


def test_blank_lines_and_other_line_ends_are_taken(greeted: RawClient) -> None:
    greeted.write(b"\n  \n\r\n" + frame("ping", {}, 2).replace(b"\n", b"\r\n"))
    assert greeted.read()["id"] == 2


def test_an_argument_of_12_mb_comes_through_whole(greeted: RawClient) -> None:
    text = "é\u2028\n" * 2_400_000
    answer = greeted.ask(8, "tools/call", name="json_words", arguments={"text": text})
    assert answer["result"]["structuredContent"] == {"text": text, "length": 7_200_000}


def test_a_line_above_the_limit_is_refused_and_the_next_one_served(greeted: RawClient) -> None:
    chunk = b"x" * (1 << 20)
    for _ in range(65):
        greeted.write(chunk)
    greeted.write(b"\n")
    assert greeted.read()["error"]["code"] == -32600
    assert "result" in greeted.ask(9, "ping")


def test_a_client_that_stops_listening_ends_the_server(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen([sys.executable, str(SERVER)], stdin=-1, stdout=-1, stderr=errors) as server,
    ):
        assert server.stdin
        assert server.stdout
        server.stdout.close()
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
        server.stdin.write(frame("initialize", hello, 0))
        server.stdin.flush()
        assert server.wait(timeout=30) == 0
    assert "Traceback" not in log.read_text()


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.floats(), st.text(max_size=9)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)),
    max_leaves=8,
)
METHODS = ["ping", "tools/list", "tools/call", "resources/read", "prompts/get", "completion/complete", "no/such", ""]
FRAMES = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(["2.0", "2.0", "1.0", 2])},
    optional={
        "id": st.one_of(st.integers(-(10**20), 10**20), st.text(max_size=9), ANYTHING),
        "method": st.one_of(st.sampled_from(METHODS), ANYTHING),
        "params": st.one_of(
            ANYTHING, st.fixed_dictionaries({"name": ANYTHING, "arguments": ANYTHING, "_meta": ANYTHING})
        ),
        "result": ANYTHING,
        "error": ANYTHING,
    },
)
MARK = 987_654_321


def still_serves(client: RawClient) -> None:
    client.write(frame("ping", {}, MARK))
    while client.read().get("id") != MARK:
        pass


@given(message=FRAMES)
def test_whatever_a_frame_says_the_next_one_is_served(greeted: RawClient, message: dict[str, Any]) -> None:
    if message.get("id") != MARK:
        greeted.write(json.dumps(message).encode() + b"\n")
        still_serves(greeted)


@given(line=st.binary(max_size=200))
def test_whatever_bytes_a_line_has_the_next_one_is_served(greeted: RawClient, line: bytes) -> None:
    greeted.write(line + b"\n")
    still_serves(greeted)


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc": "2.0", "id": 1e999, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": ' + b"9" * 5000 + b', "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 3, "method": "ping", "params": {"x": ' + b"9" * 5000 + b"}}",
        b'{"jsonrpc": "2.0", "id": 3, "method": "ping", "params": ' + b'{"x":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"jsonrpc": "2.0", "id": 3, "id": 4, "method": "ping", "method": "pong"}',
    ],
    ids=["infinite id", "long id", "long number", "deep", "twice"],
)
def test_numbers_and_depths_beyond_measure_are_survived(greeted: RawClient, line: bytes) -> None:
    greeted.write(line + b"\n")
    still_serves(greeted)


def test_an_id_that_is_used_again_while_its_call_runs_is_survived(greeted: RawClient) -> None:
    greeted.write(frame("ping", {}, 5) * 20)
    still_serves(greeted)
