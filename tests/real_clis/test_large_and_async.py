"""With every real program, through MCP: a large prompt arrives whole, and its answer is fetched later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio

#: It begins with nothing twice: Gemini CLI takes an answer that repeats itself for a loop.
BEGINNING = " ".join(map(str, range(100)))[:200]
WORDS = BEGINNING + " € and 日本語" * 12_000


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "grok", "mistral"])
async def test_lesson_22_a_prompt_of_200_kilobytes_arrives_whole_and_is_answered_in_the_background(
    name: str, request: pytest.FixtureRequest, model_server: ModelServer
) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    async with gateway_of(agent) as caller:
        told = await caller.end_of(await caller.start(f"{WORDS}\nSAY:whole"))
        latest = await caller.ask("HISTORY", resumeLatest=True)
    assert len(WORDS.encode()) > 200_000
    assert (told["status"], told["text"]) == ("completed", "whole")
    arrived = [WORDS in entry["words"] for entry in model_server.log() if "words" in entry]
    assert arrived[0]
    assert (latest["text"], latest["sessionId"]) == (BEGINNING, told["sessionId"])
