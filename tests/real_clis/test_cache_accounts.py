"""What the gateway says of prompt caches is what the model's service counted, with the real programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.real_clis.through_mcp import Caller, gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio

RULES = "A rule that everybody follows, number by number, in every review. " * 1_000
MODELS = {"claude": "claude-sonnet-4-5", "grok": "grok-4.6"}


def counted(usage: dict[str, Any]) -> tuple[int, int]:
    """Tokens of a request that were read from the cache, and all others that went in, whatever the protocol."""
    if "promptTokenCount" in usage:
        read = usage.get("cachedContentTokenCount", 0)
        return read, usage["promptTokenCount"] - read
    if "prompt_tokens" in usage:
        read = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        return read, usage["prompt_tokens"] - read
    if "input_tokens_details" in usage:
        read = usage["input_tokens_details"]["cached_tokens"]
        return read, usage["input_tokens"] - read
    read = usage["cache_read_input_tokens"]
    return read, usage["input_tokens"] + usage["cache_creation_input_tokens"]


async def three_turns(caller: Caller, agent: RealAgent, **more: Any) -> list[dict[str, Any]]:
    """A conversation that begins with a large stable prefix."""
    chosen = {"model": MODELS[agent.name]} if agent.name in MODELS else {}
    parts = {"context": RULES, "task": "SAY:one", **more}
    told = [await caller.ask(promptParts=parts, **chosen)]
    for words in ("SAY:two", "SAY:three"):
        told.append(await caller.ask(words, sessionId=told[0]["gatewaySessionId"]))
    assert [(answer["status"], answer["text"]) for answer in told] == [
        ("completed", "one"),
        ("completed", "two"),
        ("completed", "three"),
    ], told
    return told


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "grok", "mistral"])
async def test_every_token_of_the_service_is_in_the_figures_and_no_other(
    name: str, request: pytest.FixtureRequest, model_server: ModelServer
) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    async with gateway_of(agent) as caller:
        told = await three_turns(caller, agent)
        everything = await caller.read("cache-state://global")
        conversation = await caller.read(f"cache-state://session/{told[0]['gatewaySessionId']}")
        turns = (await caller.read(f"cache-state://turns/{told[0]['gatewaySessionId']}"))["turns"]
        prefix = await caller.read(f"cache-state://prefix/{turns[0]['prefixSha256']}")
    log = [counted(entry["usage"]) for entry in model_server.log() if entry.get("usage") and "words" in entry]
    for state in (everything, conversation, everything["providers"][name]):
        assert state["requests"] == 3
        assert state["tokensRead"] == sum(read for read, _ in log)
        assert state["inputTokens"] + state["tokensWritten"] == sum(rest for _, rest in log)
    assert [turn["cacheReadTokens"] for turn in turns] == [answer["usage"]["cacheReadTokens"] for answer in told]
    assert everything["cacheBreaks"] == 0
    assert (everything["hits"], prefix["requests"]) == (sum(turn["cacheReadTokens"] > 0 for turn in turns), 1)
    assert turns[1]["cacheReadTokens"] > len(RULES) // 5, "the prefix is read from the cache"


async def test_savings_follow_from_the_price_list(claude: RealAgent) -> None:
    async with gateway_of(claude) as caller:
        told = await three_turns(caller, claude, cacheControl={"context": True})
        state = await caller.read("cache-state://global")
        prices = await caller.read("prices://list")
    read = sum(answer["usage"]["cacheReadTokens"] for answer in told)
    written = sum(answer["usage"]["cacheCreationTokens"] for answer in told)
    # claude-sonnet-4-5: a million tokens cost 3.00 dollars, 0.30 from the cache, 3.75 into it.
    by_hand = (read * (3.00 - 0.30) - written * (3.75 - 3.00)) / 1e6
    assert state["estimatedSavingsUsd"] == pytest.approx(by_hand, abs=1e-8)
    assert prices["list"].startswith("genai-prices")


async def test_lesson_76_a_prefix_that_is_marked_is_read_by_the_next_conversation_and_a_changed_one_is_not(
    claude: RealAgent,
) -> None:
    async with gateway_of(claude) as caller:
        answers = []
        for number, rules in enumerate((RULES, RULES, f"Changed: {RULES}")):
            parts = {"context": rules, "task": f"SAY:{number}", "cacheControl": {"context": True}}
            answers.append(await caller.ask(promptParts=parts, createNewSession=True))
    read = [answer["usage"]["cacheReadTokens"] for answer in answers]
    assert read[1] - read[2] >= len(RULES) // 4 - 100
    assert all("cache_break" not in [warning["code"] for warning in answer["warnings"]] for answer in answers)


async def test_lesson_76_another_model_in_a_conversation_is_a_break_with_its_cause(claude: RealAgent) -> None:
    async with gateway_of(claude) as caller:
        told = await three_turns(caller, claude)
        other = await caller.ask("SAY:four", sessionId=told[0]["gatewaySessionId"], model="claude-opus-4-5")
        state = await caller.read("cache-state://global")
    (warning,) = [warning for warning in other["warnings"] if warning["code"] == "cache_break"]
    assert warning["cause"] == "model_changed"
    assert warning["expectedTokens"] > len(RULES) // 4 > warning["actualTokens"]
    assert (state["cacheBreaks"], state["cacheBreakCauses"]) == (1, {"model_changed": 1})
    assert state["wastedUsd"] > 0


async def test_an_hour_of_cache_is_set_once_for_all_and_told(claude: RealAgent) -> None:
    home = claude.folder / "gateway"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text("[providers.claude]\nanthropic_ttl_seconds = 3600\n")
    async with gateway_of(claude) as caller:
        told = await three_turns(caller, claude, cacheControl={"context": True})
        state = await caller.read(f"cache-state://session/{told[0]['sessionId']}")
    assert 3_500_000 < state["ttlRemainingMs"] <= 3_600_000
    assert (state["cacheBreaks"], state["hits"]) == (0, 2)


async def test_a_large_prefix_that_comes_flat_again_and_again_is_told(claude: RealAgent) -> None:
    async with gateway_of(claude) as caller:
        flat = [
            await caller.ask(promptParts={"context": RULES, "task": f"SAY:{number}"}, createNewSession=True)
            for number in range(3)
        ]
        parts = {"context": RULES, "task": "SAY:marked", "cacheControl": {"context": True}}
        marked = await caller.ask(promptParts=parts, createNewSession=True)
    told = [[warning["code"] for warning in answer["warnings"]] for answer in (*flat, marked)]
    assert told == [[], [], ["cacheable_prefix_uncached"], []]
