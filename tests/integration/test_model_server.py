"""The model service that the real agents are tested against."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from conftest import ModelServer

LONG = "word " * 2_000


def asked(*words: str, **more: Any) -> dict[str, Any]:
    turns: list[dict[str, Any]] = []
    for said in words:
        turns += [{"role": "user", "content": said}, {"role": "assistant", "content": "yes"}]
    return {"model": "m-1", "messages": turns[:-1], **more}


def say(server: ModelServer, body: dict[str, Any], key: str = "any") -> dict[str, Any]:
    status, raw = server.post("/v1/messages?beta=true", body, key)
    assert status == 200, raw
    message: dict[str, Any] = json.loads(raw)
    return message


def test_it_says_what_it_is_told(model_server: ModelServer) -> None:
    message = say(model_server, asked("please\nSAY:größer 日本語\n"))
    assert message["content"] == [{"type": "text", "text": "größer 日本語"}]
    assert message["stop_reason"] == "end_turn"


def test_it_streams_the_same_answer(model_server: ModelServer) -> None:
    status, raw = model_server.post("/v1/messages", asked("BIG:10000", stream=True))
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: ")]
    text = "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta")
    assert status == 200
    assert len(text) == 10_000
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")


def test_it_calls_tools_one_after_the_other_and_tells_the_last_result(model_server: ModelServer) -> None:
    body = asked('TOOL:Read {"path": "a"}\nTOOL:Write {"path": "b"}')
    called = []
    for _ in range(2):
        block = say(model_server, body)["content"][-1]
        called.append((block["name"], block["input"]))
        result = {"type": "tool_result", "tool_use_id": block["id"], "content": f"did {block['name']}"}
        body["messages"] += [{"role": "assistant", "content": [block]}, {"role": "user", "content": [result]}]
    assert called == [("Read", {"path": "a"}), ("Write", {"path": "b"})]
    assert say(model_server, body)["content"][0]["text"] == "TOOLRESULT[ok]: did Write"


def test_it_remembers_what_was_said(model_server: ModelServer) -> None:
    assert say(model_server, asked("one", "two", "HISTORY"))["content"][0]["text"] == "one | two"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
def test_it_fails_as_it_is_told(model_server: ModelServer, status: int) -> None:
    got, raw = model_server.post("/v1/messages", asked(f"FAIL:{status}"))
    assert got == status
    assert json.loads(raw)["error"]["message"]


@pytest.mark.parametrize(("key", "status"), [("bad", 401), ("forbidden", 403), ("broke", 400)])
def test_a_key_can_be_refused(model_server: ModelServer, key: str, status: int) -> None:
    assert model_server.post("/v1/messages", asked("SAY:x"), key)[0] == status


def test_a_failure_can_pass(model_server: ModelServer) -> None:
    got = [model_server.post("/v1/messages", asked("FAIL:429:2\nSAY:at last"))[0] for _ in range(3)]
    assert got == [429, 429, 200]


def test_a_marked_beginning_is_written_once_and_read_afterwards(model_server: ModelServer) -> None:
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    first, second = (say(model_server, asked(words, system=system))["usage"] for words in ("SAY:a", "SAY:b"))
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] > 2_000
    assert first["cache_read_input_tokens"] == second["cache_creation_input_tokens"] == 0
    assert second["input_tokens"] < 100


def test_a_longer_conversation_reads_its_earlier_turns(model_server: ModelServer) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    early = {"role": "user", "content": [{"type": "text", "text": LONG}]}
    marked = {"role": "user", "content": [{"type": "text", "text": LONG, **mark}]}
    later = {"role": "user", "content": [{"type": "text", "text": LONG + "SAY:x", **mark}]}
    first = say(model_server, {"model": "m", "messages": [marked]})["usage"]
    second = say(model_server, {"model": "m", "messages": [early, {"role": "assistant", "content": "y"}, later]})
    assert second["usage"]["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    assert second["usage"]["cache_creation_input_tokens"] > 2_000


@pytest.mark.parametrize("other", [{"model": "m-2"}, {"key": "another"}], ids=str)
def test_another_model_or_account_reads_nothing(model_server: ModelServer, other: dict[str, str]) -> None:
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    body = asked("SAY:a", system=system)
    say(model_server, body)
    usage = say(model_server, body | {"model": other.get("model", "m-1")}, other.get("key", "any"))["usage"]
    assert usage["cache_read_input_tokens"] == 0


def test_too_many_marks_are_refused(model_server: ModelServer) -> None:
    block = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    status, raw = model_server.post("/v1/messages", asked("SAY:a", system=[block] * 5))
    assert status == 400
    assert b"maximum of 4 blocks" in raw


def test_tokens_can_be_counted(model_server: ModelServer) -> None:
    status, raw = model_server.post("/v1/messages/count_tokens", asked(LONG))
    assert status == 200
    assert json.loads(raw)["input_tokens"] > 2_000


def test_a_dropped_answer_breaks_the_connection(model_server: ModelServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(model_server.url).netloc, timeout=10)
    connection.request("POST", "/v1/messages", json.dumps(asked("DROP", stream=True)))
    answer = connection.getresponse()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    answer.close()
    connection.close()


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"messages": []}'], ids=repr)
def test_nonsense_is_a_bad_request(model_server: ModelServer, raw: bytes) -> None:
    connection = http.client.HTTPConnection(urlsplit(model_server.url).netloc, timeout=10)
    connection.request("POST", "/v1/messages", raw)
    answer = connection.getresponse()
    assert answer.status == 400
    answer.read()
    connection.close()


def test_the_log_tells_what_was_asked(model_server: ModelServer) -> None:
    say(model_server, asked("SAY:seen"))
    (entry,) = model_server.log(bodies=True)
    assert (entry["status"], entry["words"], entry["body"]["model"]) == (200, "SAY:seen", "m-1")


def test_it_says_something_else_in_every_turn_where_a_script_tells_it_so(model_server: ModelServer) -> None:
    script = 'Once more:\nTURNS:["one", "two"]\nTOOL:Read {}'
    said = [
        say(model_server, asked(*words))["content"][0]["text"]
        for words in ((script,), (script, "hello", script), (script,) * 3)
    ]
    assert said == ["one", "two", "two"]
