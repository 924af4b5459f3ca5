"""The model service, asked by the generateContent protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import ModelServer

LONG = "word " * 2_000
PATH = "/v1beta/models/m-1:"


def asked(*words: str, **more: Any) -> dict[str, Any]:
    contents: list[dict[str, Any]] = []
    for said in words:
        contents += [{"role": "user", "parts": [{"text": said}]}, {"role": "model", "parts": [{"text": "yes"}]}]
    return {"contents": contents[:-1], **more}


def generate(server: ModelServer, body: dict[str, Any]) -> dict[str, Any]:
    status, raw = server.post(f"{PATH}generateContent", body)
    assert status == 200, raw
    answer: dict[str, Any] = json.loads(raw)
    return answer


def part_of(answer: dict[str, Any], index: int = 0) -> dict[str, Any]:
    part: dict[str, Any] = answer["candidates"][0]["content"]["parts"][index]
    return part


def test_content_says_what_it_is_told_whole_and_streamed(model_server: ModelServer) -> None:
    assert part_of(generate(model_server, asked("SAY:größer")))["text"] == "größer"
    _, raw = model_server.post(f"{PATH}streamGenerateContent?alt=sse", asked("BIG:10000"))
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: ")]
    assert len("".join(part_of(event)["text"] for event in events)) == 10_000
    assert events[-1]["candidates"][0]["finishReason"] == "STOP"


def test_content_calls_a_tool_and_tells_what_it_gave(model_server: ModelServer) -> None:
    body = asked('TOOL:read {"path": "a"}')
    call = part_of(generate(model_server, body), 1)["functionCall"]
    assert (call["name"], call["args"]) == ("read", {"path": "a"})
    given = {"functionResponse": {"name": "read", "response": {"output": "did it"}}}
    body["contents"] += [{"role": "model", "parts": [{"functionCall": call}]}, {"role": "user", "parts": [given]}]
    assert part_of(generate(model_server, body))["text"] == "TOOLRESULT[ok]: did it"


def test_longer_content_reads_what_went_before(model_server: ModelServer) -> None:
    first = generate(model_server, asked(LONG))["usageMetadata"]
    second = generate(model_server, asked(LONG, "HISTORY"))["usageMetadata"]
    assert "cachedContentTokenCount" not in first
    assert second["cachedContentTokenCount"] == first["promptTokenCount"] > 2_000
    assert second["promptTokenCount"] > first["promptTokenCount"]


@pytest.mark.parametrize(("prompt", "status"), [("FAIL:401", 401), ("FAIL:429:0:7", 429), ("FAIL:529", 503)])
def test_content_can_fail(prompt: str, status: int, model_server: ModelServer) -> None:
    got, raw = model_server.post(f"{PATH}generateContent", asked(prompt))
    assert got == status
    assert json.loads(raw)["error"]["code"] == status


def test_what_an_agent_asks_aside_obeys_no_words_of_the_user(model_server: ModelServer) -> None:
    body = asked("FAIL:500", generationConfig={"responseMimeType": "application/json"})
    assert json.loads(part_of(generate(model_server, body))["text"])["model_choice"]
    assert model_server.log()[0]["aside"]
