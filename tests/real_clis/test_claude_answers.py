"""The real Claude Code: answers, conversations, tokens, failures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llm_gateway import CostBasis, EventKind, Posture, Prompt
from llm_gateway_provider_claude.options import ClaudeOptions
from llm_gateway_provider_claude.plugin import gateway_describe_provider, gateway_list_models, gateway_upgrade_plan
from tests.busy import idle_clock

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe


def test_models_and_upgrade_are_told_by_the_installation(claude: RealAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{claude.program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", claude.environ["CLAUDE_CONFIG_DIR"])
    assert {model.id for model in gateway_list_models(str(claude.program))} >= {"opus", "sonnet"}
    plan = gateway_upgrade_plan("2.1.331", str(claude.program))
    assert plan
    assert plan.argv[:3] == ("npm", "install", "--prefix")
    assert plan.argv[-1] == "@anthropic-ai/claude-code@2.1.331"


def test_a_question_is_answered(claude: RealAgent) -> None:
    outcome = claude.ask("SAY:größer 日本語")
    assert (outcome.text, outcome.error, outcome.code) == ("größer 日本語", None, 0)
    assert outcome.summary.model
    assert outcome.summary.cost.basis is CostBasis.REPORTED


def test_lesson_88_the_id_is_the_one_that_was_chosen(claude: RealAgent) -> None:
    running = claude.start("SAY:x")
    outcome = running.finish()
    assert outcome.summary.native_id == running.resume.native_id
    assert outcome.events[0].kind is EventKind.SESSION


def test_lesson_76_and_79_a_conversation_goes_on_reads_its_cache_and_counts_each_turn_alone(
    claude: RealAgent,
) -> None:
    first = claude.ask("SAY:one")
    turns = [first]
    for _ in range(2):
        turns.append(claude.ask("HISTORY", after=first.summary.native_id))  # noqa: PERF401
    assert turns[2].text == "SAY:one | HISTORY"
    assert {turn.summary.native_id for turn in turns} == {first.summary.native_id}
    written = first.summary.usage.cache_creation_tokens or 0
    assert written > 1_024
    for turn in turns[1:]:
        usage = turn.summary.usage
        assert (usage.cache_read_tokens or 0) >= written
        assert (usage.cache_creation_tokens or 0) + (usage.input_tokens or 0) < written / 4
    assert turns[2].summary.cost.usd == pytest.approx(turns[1].summary.cost.usd, rel=0.2)
    assert (turns[2].summary.cost.usd or 0) < (first.summary.cost.usd or 0) / 2


def test_lesson_76_words_added_to_the_system_prompt_keep_the_cache_when_they_are_said_again(
    claude: RealAgent, model_server: ModelServer
) -> None:
    options = ClaudeOptions(appendSystemPrompt="Speak like a pirate. " * 300)
    first = claude.ask("SAY:one", options=options)
    again = claude.ask("SAY:two", options=options, after=first.summary.native_id)
    assert (again.summary.usage.cache_read_tokens or 0) >= (first.summary.usage.cache_creation_tokens or 0) > 1_500
    assert "pirate" in json.dumps(model_server.log(bodies=True)[-1]["body"]["system"])


def test_a_marked_prefix_is_read_by_the_next_conversation(claude: RealAgent) -> None:
    rules = "A rule that everybody follows. " * 1_000
    first, second = (
        claude.ask(Prompt(text=f"{rules}\n\nSAY:{word}", prefix=rules, cache_control=("context",)))
        for word in ("one", "two")
    )
    assert (first.text, second.text) == ("one", "two")
    assert (second.summary.usage.cache_read_tokens or 0) > len(rules) // 4


@pytest.mark.parametrize("options", [ClaudeOptions(), ClaudeOptions(cacheTtl="1h")], ids=["5m", "1h"])
def test_a_second_mark_in_a_conversation_does_not_spoil_it(options: ClaudeOptions, claude: RealAgent) -> None:
    rules = "A rule that everybody follows. " * 1_000
    prompt = Prompt(text=f"{rules}\n\nSAY:fine", prefix=rules, cache_control=("context",))
    first = claude.ask(prompt, options=options)
    later = [claude.ask(prompt, after=first.summary.native_id, options=options).error for _ in range(2)]
    assert (first.error, later) == (None, [None, None])


@pytest.mark.parametrize(
    "prompt",
    ["/cost", "/compact", "@secret.txt", "see @../home/x and @secret.txt", "-p", "- a list", "!ls", "update", "--help"],
)
def test_lesson_78_a_prompt_arrives_as_text_and_as_nothing_else(
    prompt: str, claude: RealAgent, model_server: ModelServer
) -> None:
    (claude.work / "secret.txt").write_text("the canary sings")
    outcome = claude.ask(prompt)
    (entry,) = model_server.log(bodies=True)
    sent = [block["text"] for m in entry["body"]["messages"] if m["role"] == "user" for block in m["content"]]
    assert prompt in sent
    assert "canary" not in json.dumps(entry["body"])
    assert outcome.text.startswith("OK: ")


def test_lesson_22_a_prompt_of_a_megabyte_arrives(claude: RealAgent, model_server: ModelServer) -> None:
    prompt = "€ and more " * 80_000 + "\nSAY:read"
    assert claude.ask(prompt).text == "read"
    assert model_server.log()[-1]["words"] == prompt


def test_lesson_12b_a_long_answer_arrives_whole(claude: RealAgent) -> None:
    outcome = claude.ask("BIG:2000000")
    assert len(outcome.text) == 2_000_000
    assert outcome.text.startswith("000000000000 ")
    assert outcome.text.rstrip().endswith("x" * 86)


def test_a_watched_run_prints_pieces_and_gives_the_same_answer(claude: RealAgent) -> None:
    outcome = claude.ask("SAY:the words", idle_timeout_s=60.0)
    assert outcome.text == "the words"
    assert [event.text for event in outcome.events if event.kind is EventKind.TEXT] == ["the words"]


@pytest.mark.parametrize(
    ("key", "prompt", "code"),
    [
        ("forbidden", "SAY:x", "auth_required"),
        ("broke", "SAY:x", "quota_exhausted"),
        ("any", "FAIL:429", "quota_exhausted"),
        ("any", "FAIL:429:0:7200", "quota_exhausted"),
        ("any", "DROP", "overloaded"),
        ("any", "REFUSE", "provider_failed"),
    ],
)
def test_lesson_85_a_failure_is_named_within_seconds(key: str, prompt: str, code: str, claude: RealAgent) -> None:
    claude.environ["ANTHROPIC_API_KEY"] = key
    outcome = claude.ask(prompt)
    assert outcome.error == code, outcome
    assert outcome.failure
    assert outcome.failure.provider_message
    assert outcome.seconds < 30


def test_without_a_login_the_way_to_log_in_is_told(claude: RealAgent, model_server: ModelServer) -> None:
    del claude.environ["ANTHROPIC_API_KEY"]
    outcome = claude.ask("SAY:x")
    assert outcome.error == "auth_required"
    assert outcome.failure
    assert "claude auth login" in (outcome.failure.recovery or "")
    assert model_server.log() == []


def test_a_service_that_is_gone_is_named(claude: RealAgent) -> None:
    claude.environ["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
    assert claude.ask("SAY:x").error == "unreachable"


def test_a_failure_that_passes_is_no_failure_and_its_retries_are_told(claude: RealAgent) -> None:
    outcome = claude.ask("FAIL:529:1\nSAY:at last")
    assert (outcome.text, outcome.error) == ("at last", None)
    assert "retry 1 of 2 after overloaded (529)" in [event.text for event in outcome.events]


def test_a_busy_model_is_replaced_when_that_was_asked(claude: RealAgent) -> None:
    outcome = claude.ask("SAY:x", model="busy-model", options=ClaudeOptions(fallbackModel="sonnet"))
    assert outcome.error is None
    assert (outcome.summary.model or "").startswith("claude-sonnet")


def test_a_conversation_that_is_unknown_is_not_begun(claude: RealAgent, model_server: ModelServer) -> None:
    outcome = claude.ask("SAY:x", after="00000000-0000-4000-8000-000000000000")
    assert outcome.error == "session_not_found"
    assert model_server.log() == []


def test_limits_end_a_run_with_their_name(claude: RealAgent) -> None:
    calls = "\n".join('TOOL:Read {"file_path": "x"}' for _ in range(4))
    turns, budget = claude.ask(calls, max_turns=2), claude.ask(calls, max_budget_usd=0.001)
    assert [turns.error, budget.error] == ["provider_failed", "provider_failed"]
    assert turns.failure
    assert budget.failure
    assert "maxTurns" in turns.failure.message
    assert "maxBudgetUsd" in budget.failure.message


def test_an_object_is_given_when_a_schema_was(claude: RealAgent) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert claude.ask('TOOL:StructuredOutput {"n": 3}', output_schema=schema).summary.structured == {"n": 3}
    assert claude.ask("SAY:3", output_schema=schema).summary.structured is None


def test_effort_reaches_the_service(claude: RealAgent, model_server: ModelServer) -> None:
    claude.ask("SAY:x", effort="low")
    assert model_server.log(bodies=True)[0]["body"]["output_config"]["effort"] == "low"


def test_a_run_waits_for_its_background_work(claude: RealAgent) -> None:
    command = {"command": "sleep 1; echo late > late.txt", "run_in_background": True, "description": "x"}
    outcome = claude.ask(f"TOOL:Bash {json.dumps(command)}", Posture.BYPASS)
    assert outcome.error is None
    assert (claude.work / "late.txt").read_text() == "late\n"


def test_an_interrupted_run_ends_soon_keeps_its_words_and_leaves_no_child(
    claude: RealAgent, signal_pipe: SignalPipe
) -> None:
    command = json.dumps({"command": f"echo $$ > {signal_pipe.path}; sleep 300", "description": "x"})
    running = claude.start(f"TOOL:Bash {command}", Posture.BYPASS)
    shell = signal_pipe.wait()
    step = gateway_describe_provider().end_steps[0]
    os.killpg(running.process.pid, step.signal)
    asked_at = idle_clock()
    outcome = running.finish()
    assert idle_clock() - asked_at < step.grace_s
    assert (outcome.error, outcome.text) == ("interrupted", "calling")
    assert outcome.summary.usage.output_tokens
    assert not Path(f"/proc/{shell}").exists()
