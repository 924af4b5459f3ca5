"""The real Mistral Vibe behind the real gateway, asked by a real MCP client."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio


async def test_lessons_76_79_and_88_a_conversation_goes_on_by_either_id_and_as_the_newest_and_each_turn_is_counted(
    mistral: RealAgent, model_server: ModelServer
) -> None:
    mistral.environ["MISTRAL_API_KEY"] = "key-canary-4711"
    async with gateway_of(mistral) as caller:
        first = await caller.ask("SAY:größer 日本語", createNewSession=True)
        again = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"])
        told = [entry["usage"] for entry in model_server.log() if entry.get("usage")]
        native = await caller.ask("HISTORY\n(again)", sessionId=first["sessionId"])
        newest = await caller.ask("HISTORY\n(and again)", resumeLatest=True)
        unknown = await caller.ask("SAY:x", sessionId="00000000-0000-4000-8000-000000000000")
        moved = await caller.ask("SAY:x", sessionId=first["sessionId"], workingDir=str(mistral.folder))
        other = await caller.ask("SAY:x", sessionId=first["sessionId"], model="large")
    assert (first["status"], first["text"], first["costBasis"]) == ("completed", "größer 日本語", "reported")
    assert again["text"] == "SAY:größer 日本語"
    assert native["text"] == "SAY:größer 日本語 | HISTORY"
    assert newest["text"].startswith("SAY:größer 日本語 | HISTORY | HISTORY")
    assert len({turn["sessionId"] for turn in (first, again, native, newest)}) == 1
    assert first["model"] == "m-1"
    for turn, usage in zip((first, again), told, strict=True):
        read = usage["prompt_tokens_details"]["cached_tokens"]
        assert turn["usage"]["cacheReadTokens"] == read
        assert turn["usage"]["inputTokens"] == usage["prompt_tokens"] - read
        assert turn["usage"]["outputTokens"] == usage["completion_tokens"]
    assert again["usage"]["cacheReadTokens"] >= told[0]["prompt_tokens"] > 1_024
    assert again["costUsd"] < first["costUsd"] / 2
    assert os.listdir(mistral.work) == []
    codes = [answer["error"]["code"] for answer in (unknown, moved, other)]
    assert codes == ["session_not_resumable"] * 3
    home = mistral.folder / "gateway"
    assert [path for path in home.rglob("*") if path.is_file() and b"key-canary" in path.read_bytes()] == []


async def test_words_for_a_level_levels_that_it_cannot_hold_models_and_the_way_to_another_version(
    mistral: RealAgent,
) -> None:
    async with gateway_of(mistral) as caller:
        models = await caller.call("list_models", provider="mistral")
        upgrade = await caller.call("cli_upgrade", provider="mistral", target="3.0.3")
        clash = await caller.ask("SAY:x", permissionMode="ask", posture="bypass")
        refused = [await caller.ask("SAY:x", posture=level) for level in ("plan", "workspace_write")]
        silent = await caller.ask("SAY:x", idleTimeoutMs=60_000)
    assert {answer["error"]["code"] for answer in (clash, *refused, silent)} == {"invalid_request"}
    assert [model["id"] for model in models["providers"][0]["models"] if model.get("default")] == ["small"]
    assert upgrade["command"][1:] == ["-m", "pip", "install", "--upgrade", "mistral-vibe==3.0.3"]
    nearest = [answer["error"]["recovery"].split()[-1] for answer in refused]
    assert nearest == ["read_only.", "accept_edits."]
