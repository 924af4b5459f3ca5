"""The model service, asked by the Responses protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import ModelServer

LONG = "word " * 2_000


def asked(*words: str, **more: Any) -> dict[str, Any]:
    said = [{"type": "message", "role": "user", "content": text} for text in words]
    return {"model": "m-1", "input": said, **more}


def respond(server: ModelServer, body: dict[str, Any]) -> dict[str, Any]:
    status, raw = server.post("/v1/responses", body)
    assert status == 200, raw
    response: dict[str, Any] = json.loads(raw)
    return response


def test_a_response_says_what_it_is_told_whole_and_streamed(model_server: ModelServer) -> None:
    assert respond(model_server, asked("SAY:größer"))["output"][0]["content"][0]["text"] == "größer"
    _, raw = model_server.post("/v1/responses", asked("BIG:10000", stream=True))
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: ")]
    assert len("".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")) == 10_000
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")


def test_a_response_calls_a_tool_and_tells_what_it_gave(model_server: ModelServer) -> None:
    body = asked('TOOL:read {"path": "a"}')
    call = respond(model_server, body)["output"][-1]
    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("function_call", "read", {"path": "a"})
    body["input"] += [call, {"type": "function_call_output", "call_id": call["call_id"], "output": "did it"}]
    assert respond(model_server, body)["output"][0]["content"][0]["text"] == "TOOLRESULT[ok]: did it"


def test_a_longer_response_reads_what_went_before(model_server: ModelServer) -> None:
    first = respond(model_server, asked(LONG))["usage"]
    second = respond(model_server, asked(LONG, "HISTORY"))["usage"]
    assert first["input_tokens_details"]["cached_tokens"] == 0
    assert second["input_tokens_details"]["cached_tokens"] == first["input_tokens"] > 2_000
    assert second["input_tokens"] > first["input_tokens"]


@pytest.mark.parametrize(("prompt", "status"), [("FAIL:401", 401), ("FAIL:429", 429), ("FAIL:500", 500)])
def test_a_response_can_fail(prompt: str, status: int, model_server: ModelServer) -> None:
    got, raw = model_server.post("/v1/responses", asked(prompt))
    assert got == status
    assert json.loads(raw)["error"]["code"]


def test_what_an_agent_asks_on_its_own_account_obeys_no_words_of_the_user(model_server: ModelServer) -> None:
    tool = {"type": "function", "name": "title", "parameters": {"properties": {"words": {"type": "string"}}}}
    body = asked("FAIL:500", tools=[tool], tool_choice={"type": "function", "name": "title"})
    assert json.loads(respond(model_server, body)["output"][0]["arguments"]) == {"words": "a title"}
    assert model_server.log()[0]["aside"]
