"""The handshake cache over a pipe: what it answers, and what it leaves unread for the gateway."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from llm_gateway_transport_mcp import handshake_cache
from llm_gateway_transport_mcp.handshake_cache import HandshakeCache
from llm_gateway_transport_mcp.handshake_key import key, read_private

RESULTS = {"2025-11-25": {"initialize": '{"protocolVersion":"2025-11-25"}', "tools/list": '{"tools":[]}'}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


def message(method: str, request_id: object = None, **more: object) -> bytes:
    members = {"jsonrpc": "2.0", "method": method, **({} if request_id is None else {"id": request_id}), **more}
    return json.dumps(members).encode() + b"\n"


GREETING = message("initialize", 0, params=HELLO) + message("notifications/initialized")


@dataclass
class Answers:
    """Fixed answers."""

    follows_programs: bool = True
    needs_gateway: bool = False
    programs: list[str] = field(default_factory=list)
    changes: int = 0  #: how many searches find a change

    def look(self) -> bool:
        self.changes -= 1
        return self.changes >= 0

    def result(self, method: str, version: str) -> str | None:
        return RESULTS.get(version, {}).get(method)


@dataclass
class Client:
    """A client of a handshake cache. Its messages are in a file, so nothing blocks."""

    cache: HandshakeCache
    sent: Path
    receive_fd: int
    left: bool = False  #: whether nothing was left to answer when the input ended

    def send(self, *lines: bytes) -> tuple[list[Any], bytes]:
        """Send lines at once; return what the handshake cache answers, and what it leaves unread."""
        self.sent.write_bytes(b"".join(lines))
        self.left = self.cache.serve()
        os.close(self.cache.fds[1])
        with open(self.receive_fd, "rb", closefd=False) as received:
            return [json.loads(answer) for answer in received], self.cache.unread


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    sent = tmp_path / "sent"
    sent.touch()
    read = os.open(sent, os.O_RDONLY)
    receive_fd, write = os.pipe()
    yield Client(HandshakeCache(read, write, Answers(), lambda: False), sent, receive_fd)
    os.close(read)
    os.close(receive_fd)


def test_a_handshake_a_ping_and_a_list_are_answered_and_only_the_handshake_is_handed_on(client: Client) -> None:
    answers, rest = client.send(GREETING, message("ping", "p-1"), message("tools/list", 7, params={"_meta": {"a": 1}}))
    assert answers == [
        {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25"}},
        {"jsonrpc": "2.0", "id": "p-1", "result": {}},
        {"jsonrpc": "2.0", "id": 7, "result": {"tools": []}},
    ]
    assert (rest, client.left) == (b"", True)
    assert client.cache.replay == GREETING
    assert client.cache.answered == [0]


UNUSUAL = {
    "a call": message("tools/call", 1, params={"name": "x"}),
    "a page": message("tools/list", 1, params={"cursor": "x"}),
    "a list that the manifest has not": message("prompts/list", 1),
    "another notification": message("notifications/cancelled", params={"requestId": 0}),
    "a second handshake": message("initialize", 1, params=HELLO),
    "an id that is a number with a point": message("ping", 1.5),
    "an id that is true": message("ping", True),
    "an id of null": b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n',
    "an id that writers spell differently": message("ping", "é"),
    "a long id": message("ping", "x" * 101),
    "a batch": b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n',
    "an answer": b'{"jsonrpc":"2.0","id":1,"result":{}}\n',
    "another member": message("ping", 1, more=1),
    "another version of JSON-RPC": message("ping", 1).replace(b"2.0", b"1.0"),
    "a method that is no text": b'{"jsonrpc":"2.0","id":1,"method":5}\n',
    "parameters in a list": message("ping", 1, params=[]),
    "no JSON": b"hello\n",
    "an empty line": b"\n",
    "bytes that are no text": b"\xff\xfe\n",
    "deep nesting": b"[" * 60_000 + b"\n",
    "a long line": message("ping", 1, params={"_meta": {"a": "x" * 70_000}}),
}


@pytest.mark.parametrize("unusual", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_anything_else_is_left_unread_and_so_is_all_that_follows(unusual: bytes, client: Client) -> None:
    answers, rest = client.send(GREETING, unusual, message("ping", 9))
    assert [answer["id"] for answer in answers] == [0]
    assert not client.left
    with open(client.cache.fds[0], "rb", closefd=False) as unread:
        assert rest + unread.read() == unusual + message("ping", 9)


@pytest.mark.parametrize(
    "first",
    [
        message("ping", 1),
        message("tools/list", 1),
        message("initialize", 1, params={**HELLO, "protocolVersion": 5}),
        message("initialize", 1, params={**HELLO, "capabilities": {"roots": []}}),
        message("initialize", 1, params={**HELLO, "capabilities": {"roots": {"listChanged": "yes"}}}),
        message("initialize", 1, params={**HELLO, "clientInfo": {"name": "c", "version": "1", "icons": []}}),
        message("initialize", 1, params={**HELLO, "capabilities": None}),
        message("initialize", 1, params={**HELLO, "clientInfo": {"name": "c"}}),
        message("initialize", 1, params={**HELLO, "_meta": {}}),
        message("server/discover", 1, params={"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}),
    ],
)
def test_without_a_usual_handshake_nothing_is_answered(first: bytes, client: Client) -> None:
    assert client.send(first, GREETING) == ([], first + GREETING)
    assert client.cache.replay == b""


def test_a_list_before_the_client_is_initialized_is_not_answered(client: Client) -> None:
    answers, rest = client.send(message("initialize", 0, params=HELLO), message("tools/list", 1))
    assert [answer["id"] for answer in answers] == [0]
    assert rest == message("tools/list", 1)


def test_half_a_frame_is_kept(client: Client) -> None:
    assert client.send(b'{"jsonrpc":') == ([], b'{"jsonrpc":')
    assert not client.left


def test_an_unknown_revision_gets_the_newest_with_a_handshake(client: Client) -> None:
    answers, _ = client.send(message("initialize", 1, params={**HELLO, "protocolVersion": "1999-01-01"}))
    assert [answer["result"] for answer in answers] == [{"protocolVersion": "2025-11-25"}]
    assert client.cache.version == HANDSHAKE_PROTOCOL_VERSIONS[-1]
    assert handshake_cache.REVISIONS == HANDSHAKE_PROTOCOL_VERSIONS


def test_a_client_that_is_gone_ends_it(client: Client) -> None:
    os.close(client.receive_fd)
    client.sent.write_bytes(GREETING)
    assert client.cache.serve()
    os.close(client.cache.fds[1])
    client.receive_fd = os.open(os.devnull, os.O_RDONLY)


@dataclass
class Idle:
    """A cache whose client has sent the handshake and stays connected."""

    cache: HandshakeCache
    write_fd: int
    receive_fd: int


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Idle]:
    for interval in ("QUIET_S", "LOOK_EVERY_S", "WORK_EVERY_S"):
        monkeypatch.setattr(handshake_cache, interval, 0.001)
    (read, write_fd), (receive_fd, write) = os.pipe(), os.pipe()
    os.write(write_fd, GREETING)
    yield Idle(HandshakeCache(read, write, Answers(), lambda: False), write_fd, receive_fd)
    for fd in {read, write_fd, receive_fd, write}:
        os.close(fd)


def test_waiting_work_needs_a_gateway_without_a_request(monkeypatch: pytest.MonkeyPatch, idle: Idle) -> None:
    checks = [True, False, False]
    monkeypatch.setattr(idle.cache, "_work_waits", checks.pop)
    assert idle.cache.serve() is False
    assert (checks, idle.cache.unread) == ([], b"")


def test_a_client_is_notified_of_each_change_of_programs_and_stays_without_a_gateway(idle: Idle) -> None:
    idle.cache.answers = Answers(changes=2)
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(idle.cache.serve)
        lines = open(idle.receive_fd, "rb", closefd=False, buffering=0)  # noqa: SIM115  # the fixture closes it
        received = [json.loads(lines.readline()) for _ in range(3)]
        os.dup2(os.open(os.devnull, os.O_RDONLY), idle.write_fd)
        assert served.result(timeout=30) is True
    assert [one.get("method") for one in received] == [None, *["notifications/tools/list_changed"] * 2]


def test_a_change_of_programs_that_the_answers_do_not_follow_needs_a_gateway(idle: Idle) -> None:
    idle.cache.answers = Answers(changes=1, follows_programs=False)
    assert idle.cache.serve() is False


def test_the_key_follows_the_settings_and_holds_no_value_of_a_variable(tmp_path: Any) -> None:
    home = {"LLM_GATEWAY_HOME": str(tmp_path)}
    before = key(home)
    assert key(home) == before
    assert key({**home, "OTHER": "x"}) == before
    canary = key({**home, "LLM_GATEWAY_PROVIDERS_ECHO_ENV": "canary-4711"})
    assert canary != before
    assert "canary" not in "".join(canary)
    (tmp_path / "config.toml").write_text("sync_deadline_s = 5\n")
    assert key(home) != before


def test_a_manifest_answers_only_from_a_place_that_nobody_else_can_write(tmp_path: Path) -> None:
    home = tmp_path / "home"
    manifest = home / "handshake" / "mcp.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes(b"{}")
    private = {home: 0o700, manifest.parent: 0o700, manifest: 0o600}
    for place, mode in private.items():
        place.chmod(mode)
    assert read_private(str(manifest)) == b"{}"
    for place, mode in private.items():
        for others in (0o020, 0o002, 0o040, 0o004):
            place.chmod(mode | others)
            assert read_private(str(manifest)) is None, f"{place} is open to others"
        place.chmod(mode)
    assert read_private(str(manifest)) == b"{}"


@pytest.mark.parametrize("instead", ["fifo", "link", "hard link", "directory", "folder link"])
def test_what_is_planted_in_the_manifests_place_is_neither_read_nor_waited_for(tmp_path: Path, instead: str) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, home / "handshake", elsewhere):
        folder.mkdir(mode=0o700)
    (elsewhere / "mcp.json").write_bytes(b"{}")
    (elsewhere / "mcp.json").chmod(0o600)
    place = home / "handshake" / "mcp.json"
    if instead == "fifo":
        os.mkfifo(place, 0o600)
    elif instead == "link":
        place.symlink_to(elsewhere / "mcp.json")
    elif instead == "hard link":
        os.link(elsewhere / "mcp.json", place)
    elif instead == "directory":
        place.mkdir(mode=0o700)
    else:
        place.parent.rmdir()
        place.parent.symlink_to(elsewhere)
    assert read_private(str(place)) is None
