"""The model service, asked by the Chat Completions protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import ModelServer

LONG = "word " * 2_000


def asked(*words: str, **more: Any) -> dict[str, Any]:
    return {"model": "m-1", "messages": [{"role": "user", "content": text} for text in words], **more}


def complete(server: ModelServer, body: dict[str, Any]) -> dict[str, Any]:
    status, raw = server.post("/v1/chat/completions", body)
    assert status == 200, raw
    completion: dict[str, Any] = json.loads(raw)
    return completion


def test_a_completion_says_what_it_is_told_whole_and_streamed(model_server: ModelServer) -> None:
    assert complete(model_server, asked("SAY:größer"))["choices"][0]["message"]["content"] == "größer"
    _, raw = model_server.post("/v1/chat/completions", asked("BIG:10000", stream=True))
    *lines, last = [line[6:] for line in raw.splitlines() if line.startswith(b"data: ")]
    chunks = [json.loads(line) for line in lines]
    assert last == b"[DONE]"
    assert len("".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)) == 10_000
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["prompt_tokens"] > 0


def test_a_completion_calls_a_tool_and_tells_what_it_gave(model_server: ModelServer) -> None:
    body = asked('TOOL:read {"path": "a"}')
    message = complete(model_server, body)["choices"][0]["message"]
    call = message["tool_calls"][0]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("read", {"path": "a"})
    body["messages"] += [message, {"role": "tool", "tool_call_id": call["id"], "content": "did it"}]
    assert complete(model_server, body)["choices"][0]["message"]["content"] == "TOOLRESULT[ok]: did it"


def test_a_longer_completion_reads_what_went_before(model_server: ModelServer) -> None:
    first = complete(model_server, asked(LONG))["usage"]
    second = complete(model_server, asked(LONG, "HISTORY"))["usage"]
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["prompt_tokens_details"]["cached_tokens"] == first["prompt_tokens"] > 2_000
    assert second["prompt_tokens"] > first["prompt_tokens"]


@pytest.mark.parametrize(("prompt", "status"), [("FAIL:401", 401), ("FAIL:429", 429), ("FAIL:503", 503)])
def test_a_completion_can_fail(prompt: str, status: int, model_server: ModelServer) -> None:
    got, raw = model_server.post("/v1/chat/completions", asked(prompt))
    assert got == status
    assert json.loads(raw)["message"]


def test_what_the_agent_adds_to_a_message_is_not_what_the_user_says(model_server: ModelServer) -> None:
    parts = [{"type": "text", "text": text} for text in ("<system-reminder>\nSAY:wrong\n", "SAY:right")]
    body = {**asked("x"), "messages": [{"role": "user", "content": parts}]}
    assert complete(model_server, body)["choices"][0]["message"]["content"] == "right"
