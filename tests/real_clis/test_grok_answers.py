"""The real Grok: answers, conversations, tokens, failures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llm_gateway import CostBasis, Posture
from llm_gateway_provider_grok.options import GrokOptions
from llm_gateway_provider_grok.plugin import gateway_list_models, gateway_upgrade_plan
from tests.busy import idle_clock

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import Outcome, RealAgent
    from tests.real_clis.signal_pipe import SignalPipe

JOINER = "\u2060"


def served(model_server: ModelServer) -> list[dict[str, Any]]:
    """What the model was asked on the user's behalf, not the title."""
    return [entry for entry in model_server.log(bodies=True) if "words" in entry]


def tokens(outcome: Outcome) -> tuple[int | None, ...]:
    usage = outcome.summary.usage
    return usage.input_tokens, usage.cache_read_tokens, usage.output_tokens


def reported(*entries: dict[str, Any]) -> tuple[int, ...]:
    """What the model server said of these requests: fresh, cached, written."""
    used = [entry["usage"] for entry in entries]
    cached = sum(usage["input_tokens_details"]["cached_tokens"] for usage in used)
    return sum(u["input_tokens"] for u in used) - cached, cached, sum(u["output_tokens"] for u in used)


def test_models_and_upgrade_of_grok_are_told_by_the_installation(
    grok: RealAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "GROK_HOME", "https_proxy"):
        monkeypatch.setenv(name, grok.environ[name])
    monkeypatch.setenv("PATH", f"{grok.program.parent}{os.pathsep}{os.environ['PATH']}")
    models = gateway_list_models(str(grok.program))
    assert {model.source for model in models} == {"grok models"}
    assert [model.id for model in models if model.default] == ["grok-4.6"]
    plan = gateway_upgrade_plan("1.0.41", str(grok.program))
    assert plan
    assert plan.argv[:3] == ("npm", "install", "--prefix")
    assert plan.argv[-1] == "@xai-official/grok@1.0.41"


def test_lesson_76_79_88_a_conversation_of_grok_goes_on_and_each_turn_counts_what_was_reported(
    grok: RealAgent, model_server: ModelServer
) -> None:
    running = grok.start("SAY:größer 日本語")
    first = running.finish()
    assert (first.text, first.error, first.code) == ("größer 日本語", None, 0)
    assert first.summary.native_id == running.resume.native_id
    assert first.summary.model == "grok-4.6"
    turns = [first, *(grok.ask("HISTORY", after=first.summary.native_id) for _ in range(2))]
    assert turns[2].text == "SAY:größer 日本語 | HISTORY"
    assert {turn.summary.native_id for turn in turns} == {first.summary.native_id}
    entries = served(model_server)
    assert len(entries) == 3
    for turn, entry in zip(turns, entries, strict=True):
        assert tokens(turn) == reported(entry)
        assert turn.summary.cost.basis is CostBasis.REPORTED
        assert turn.summary.cost.usd == pytest.approx(entry["usage"]["cost_in_usd_ticks"] / 1e10)
    assert (turns[1].summary.usage.cache_read_tokens or 0) >= (first.summary.usage.input_tokens or 0) > 5_000


def test_a_turn_with_tools_counts_all_its_rounds(grok: RealAgent, model_server: ModelServer) -> None:
    (grok.work / "a.txt").write_text("inner words")
    outcome = grok.ask('TOOL:read_file {"target_file": "a.txt"}\nTOOL:list_dir {"target_directory": "."}')
    assert "a.txt" in outcome.text
    assert tokens(outcome) == reported(*served(model_server))
    assert len(served(model_server)) == 3


def test_lesson_76_the_tools_of_two_conversations_are_the_same_so_that_the_cache_is_hit(grok: RealAgent) -> None:
    grok.ask("SAY:one")
    second = grok.ask("SAY:two")
    assert (second.summary.usage.cache_read_tokens or 0) > 5_000
    assert (second.summary.usage.input_tokens or 0) < 500


def test_lesson_76_rules_are_said_again_and_keep_the_cache(grok: RealAgent, model_server: ModelServer) -> None:
    given: dict[str, Any] = {"options": GrokOptions(rules="Speak like a pirate."), "model": "grok-4.5"}
    first = grok.ask("SAY:one", Posture.PLAN, **given)
    again = grok.ask("SAY:two", Posture.PLAN, after=first.summary.native_id, **given)
    assert (again.summary.usage.cache_read_tokens or 0) >= (first.summary.usage.input_tokens or 0)
    assert again.summary.model == "grok-4.5"
    system = served(model_server)[-1]["body"]["input"][0]["content"]
    assert "Speak like a pirate." in system
    assert "Plan only" in system


def test_rules_reach_the_model_as_they_are_and_stand_in_no_command_line(
    grok: RealAgent, model_server: ModelServer
) -> None:
    rules = "\n---\n{{ 1 + 1 }} ${HOME} $1 @/etc/hostname größer\n---\nname: other\n" + "long " * 40_000 + "end"
    running = grok.start("SAY:one", options=GrokOptions(rules=rules))
    assert not [word for word in running.invocation.argv if "größer" in word or len(word) > 1000]
    assert running.finish().text == "one"
    system = served(model_server)[0]["body"]["input"][0]["content"]
    assert system.endswith(rules.strip())
    assert system.startswith("You are Grok"), "the rules are added to the prompt of Grok's own"


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("/context", f"/{JOINER}context"),
        ("  /compact now", f"/{JOINER}compact now"),  # Grok cuts blanks at both ends
        ("see @secret.txt and @../out.txt:1-1", f"see @{JOINER}secret.txt and @{JOINER}../out.txt:1-1"),
        ("(@secret.txt @@secret.txt", f"(@{JOINER}secret.txt @@{JOINER}secret.txt"),
        ("-p --help\n@property\n/tmp/x\n!ls\n- update", None),
    ],
    ids=["command", "command after blanks", "files", "files behind signs", "text"],
)
def test_lesson_78_a_prompt_of_grok_arrives_as_text_and_as_nothing_else(
    prompt: str, sent: str | None, grok: RealAgent, model_server: ModelServer
) -> None:
    (grok.work / "secret.txt").write_text("the canary sings")
    (grok.folder / "out.txt").write_text("the canary sings")
    outcome = grok.ask(prompt)
    (entry,) = served(model_server)
    assert entry["body"]["input"][-1]["content"] == (sent or prompt)
    assert "canary" not in json.dumps(entry["body"])
    assert outcome.text.startswith("OK: ")


def test_lesson_22_a_prompt_of_200_kilobytes_arrives_whole(grok: RealAgent, model_server: ModelServer) -> None:
    prompt = "€ and more " * 16_000 + "\nSAY:read"
    running = grok.start(prompt)
    assert running.finish().text == "read"
    assert served(model_server)[0]["words"] == prompt
    assert max(map(len, running.invocation.argv)) < 1_000


def test_lesson_12b_a_long_answer_of_grok_arrives_whole(grok: RealAgent) -> None:
    outcome = grok.ask("BIG:1000000")
    assert len(outcome.text) == 1_000_000
    assert outcome.text.startswith("000000000000 ")


@pytest.mark.parametrize(
    ("key", "prompt", "code"),
    [
        ("forbidden", "SAY:x", "auth_required"),
        ("broke", "SAY:x", "quota_exhausted"),
        ("any", "FAIL:429:0:7200", "quota_exhausted"),
        ("any", "DROP", "overloaded"),
        ("any", "REFUSE", "provider_failed"),
    ],
)
def test_lesson_85_a_failure_of_grok_is_named_within_seconds(key: str, prompt: str, code: str, grok: RealAgent) -> None:
    grok.environ["XAI_API_KEY"] = key
    outcome = grok.ask(prompt)
    assert outcome.error == code, outcome
    assert outcome.failure
    assert outcome.failure.recovery
    assert outcome.seconds < 15


def test_a_failed_turn_can_be_continued(grok: RealAgent) -> None:
    first = grok.ask("FAIL:500:1\nSAY:now")
    assert first.error == "overloaded"
    assert grok.ask("HISTORY", after=first.summary.native_id).text == "FAIL:500:1 SAY:now"


def test_trap_7_what_fails_before_anything_ran_is_named_and_asks_nobody(
    grok: RealAgent, model_server: ModelServer
) -> None:
    assert grok.ask("SAY:x", model="no-such-model").error == "bad_model"
    unknown = grok.ask("SAY:x", after="00000000-0000-4000-8000-000000000000")
    assert (unknown.error, unknown.summary.native_id) == ("session_not_found", None)
    del grok.environ["XAI_API_KEY"]
    outcome = grok.ask("SAY:x")
    assert outcome.error == "auth_required"
    assert outcome.failure
    assert "grok login" in (outcome.failure.recovery or "")
    grok.environ |= {"XAI_API_KEY": "any", "GROK_XAI_API_BASE_URL": "http://127.0.0.1:9/v1"}
    assert grok.ask("SAY:x").error == "unreachable"
    assert served(model_server) == []


def test_limits_schema_and_effort_of_grok_are_held(grok: RealAgent, model_server: ModelServer) -> None:
    calls = "\n".join('TOOL:read_file {"target_file": "x"}' for _ in range(4))
    capped = grok.ask(calls, max_turns=2)
    assert capped.failure
    assert "maxTurns" in capped.failure.message
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert grok.ask('SAY:{"n": 3}', output_schema=schema).summary.structured == {"n": 3}
    assert grok.ask("SAY:three", output_schema=schema).summary.structured is None
    grok.ask("SAY:x", effort="low")
    assert served(model_server)[-1]["body"]["reasoning"]["effort"] == "low"
    assert grok.ask("SAY:x", effort="minimal").error == "invalid_request"


def test_trap_5_a_killed_run_leaves_its_shell_to_the_shim_and_its_conversation_can_go_on(
    grok: RealAgent, signal_pipe: SignalPipe
) -> None:
    command = json.dumps({"command": f"echo $$ > {signal_pipe.path}; exec sleep 30", "description": "x"})
    running = grok.start(f"TOOL:run_terminal_command {command}", Posture.BYPASS)
    shell = signal_pipe.wait()
    step = grok.info.end_steps[0]
    os.killpg(running.process.pid, step.signal)
    asked_at = idle_clock()
    outcome = running.finish()
    assert idle_clock() - asked_at < step.grace_s
    if Path("/proc", shell).exists():
        os.kill(int(shell), 9)
    assert (outcome.error, outcome.text) == ("interrupted", "calling")
    assert outcome.summary.native_id == running.resume.native_id
    assert grok.ask("HISTORY", after=outcome.summary.native_id).text.startswith("TOOL:run_terminal_command")
