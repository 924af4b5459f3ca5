"""The handshake cache over a pipe: what it answers, and what it leaves unread for the SDK."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llm_gateway_transport_mcp.handshake_cache import HandshakeCache, key, read_private

RESULTS = {"2025-11-25": {"initialize": '{"protocolVersion":"2025-11-25"}', "tools/list": '{"tools":[]}'}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


def line(method: str, request_id: object = None, **more: object) -> bytes:
    message = {"jsonrpc": "2.0", "method": method, **({} if request_id is None else {"id": request_id}), **more}
    return json.dumps(message).encode() + b"\n"


GREETING = line("initialize", 0, params=HELLO) + line("notifications/initialized")


@dataclass
class Talk:
    """A handshake cache whose client's words lie in a file, so that nothing blocks, and the end where the client hears."""

    cache: HandshakeCache
    words: Path
    hear: int

    def after(self, *lines: bytes) -> tuple[list[Any], bytes]:
        """What the handshake cache answers to lines that come at once, and what it leaves unread."""
        self.words.write_bytes(b"".join(lines))
        self.cache.first()
        self.cache.stop()
        os.close(self.cache.fds[1])
        with open(self.hear, "rb", closefd=False) as heard:
            return [json.loads(answer) for answer in heard], self.cache.rest


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    words = tmp_path / "words"
    words.touch()
    read = os.open(words, os.O_RDONLY)
    hear, write = os.pipe()
    yield Talk(HandshakeCache(read, write, RESULTS), words, hear)
    os.close(read)
    os.close(hear)


def test_a_handshake_a_ping_and_a_list_are_answered_and_only_the_handshake_is_told_on(talk: Talk) -> None:
    answers, rest = talk.after(GREETING, line("ping", "p-1"), line("tools/list", 7, params={"_meta": {"a": 1}}))
    assert answers == [
        {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25"}},
        {"jsonrpc": "2.0", "id": "p-1", "result": {}},
        {"jsonrpc": "2.0", "id": 7, "result": {"tools": []}},
    ]
    assert rest == b""
    assert talk.cache.replay == GREETING
    assert talk.cache.answered == [0]


UNUSUAL = {
    "a call": line("tools/call", 1, params={"name": "x"}),
    "a page": line("tools/list", 1, params={"cursor": "x"}),
    "a list that the manifest has not": line("prompts/list", 1),
    "another notification": line("notifications/cancelled", params={"requestId": 0}),
    "a second handshake": line("initialize", 1, params=HELLO),
    "an id that is a number with a point": line("ping", 1.5),
    "an id that is true": line("ping", True),
    "an id of null": b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n',
    "an id that writers spell differently": line("ping", "é"),
    "a long id": line("ping", "x" * 101),
    "a batch": b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n',
    "an answer": b'{"jsonrpc":"2.0","id":1,"result":{}}\n',
    "another member": line("ping", 1, more=1),
    "another version of JSON-RPC": line("ping", 1).replace(b"2.0", b"1.0"),
    "a method that is no text": b'{"jsonrpc":"2.0","id":1,"method":5}\n',
    "parameters in a list": line("ping", 1, params=[]),
    "no JSON": b"hello\n",
    "an empty line": b"\n",
    "bytes that are no text": b"\xff\xfe\n",
    "deep nesting": b"[" * 60_000 + b"\n",
    "a long line": line("ping", 1, params={"_meta": {"a": "x" * 70_000}}),
}


@pytest.mark.parametrize("unusual", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_anything_else_is_left_unread_and_so_is_all_that_follows(unusual: bytes, talk: Talk) -> None:
    answers, rest = talk.after(GREETING, unusual, line("ping", 9))
    assert [answer["id"] for answer in answers] == [0]
    with open(talk.cache.fds[0], "rb", closefd=False) as unread:
        assert rest + unread.read() == unusual + line("ping", 9)


@pytest.mark.parametrize(
    "first",
    [
        line("ping", 1),
        line("tools/list", 1),
        line("initialize", 1, params={**HELLO, "protocolVersion": "1999-01-01"}),
        line("initialize", 1, params={**HELLO, "capabilities": None}),
        line("initialize", 1, params={**HELLO, "clientInfo": {"name": "c"}}),
        line("initialize", 1, params={**HELLO, "_meta": {}}),
        line("server/discover", 1, params={"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}),
    ],
)
def test_without_a_usual_handshake_nothing_is_answered(first: bytes, talk: Talk) -> None:
    assert talk.after(first, GREETING) == ([], first + GREETING)
    assert talk.cache.replay == b""


def test_a_list_before_the_client_is_initialized_is_not_answered(talk: Talk) -> None:
    answers, rest = talk.after(line("initialize", 0, params=HELLO), line("tools/list", 1))
    assert [answer["id"] for answer in answers] == [0]
    assert rest == line("tools/list", 1)


def test_half_a_frame_is_kept(talk: Talk) -> None:
    assert talk.after(b'{"jsonrpc":') == ([], b'{"jsonrpc":')


def test_a_client_that_is_gone_is_left_to_whoever_comes_next(talk: Talk) -> None:
    os.close(talk.hear)
    talk.words.write_bytes(GREETING)
    talk.cache.first()
    talk.cache.stop()
    os.close(talk.cache.fds[1])
    talk.hear = os.open(os.devnull, os.O_RDONLY)
    assert talk.cache.rest == GREETING


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
