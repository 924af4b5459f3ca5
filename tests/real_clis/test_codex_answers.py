"""The real Codex: answers, conversations, tokens, failures."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from llm_gateway import EventKind, Posture, Usage
from llm_gateway_provider_codex.argv import MAX_PROMPT_CHARS
from llm_gateway_provider_codex.options import CodexSettings
from llm_gateway_provider_codex.plugin import CodexProvider
from tests.busy import idle_clock
from tests.real_clis.through_mcp import alive

PROVIDER = CodexProvider()

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import Outcome, RealAgent
    from tests.real_clis.signal_pipe import SignalPipe


def script(words: str) -> str:
    """Codex's models call tools by a piece of JavaScript."""
    return "TOOL:exec " + json.dumps({"input": words})


def shell(command: str) -> str:
    return script(f"const r = await tools.exec_command({json.dumps({'cmd': command})}); text(r.output)")


def reported(server: ModelServer, since: int = 0) -> Usage:
    """What the service counted, from its `since`th answer on."""
    told: list[dict[str, Any]] = [entry["usage"] for entry in server.log() if "usage" in entry][since:]
    whole = sum(usage["input_tokens"] for usage in told)
    read = sum(usage["input_tokens_details"]["cached_tokens"] for usage in told)
    written = sum(usage["input_tokens_details"]["cache_write_tokens"] for usage in told)
    return Usage(
        input_tokens=whole - read - written,
        output_tokens=sum(usage["output_tokens"] for usage in told),
        cache_read_tokens=read,
        cache_creation_tokens=written,
        reasoning_tokens=sum(usage["output_tokens_details"]["reasoning_tokens"] for usage in told),
    )


def test_models_and_upgrade_are_told_by_the_installation(codex: RealAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{codex.program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", codex.environ["HOME"])
    models = PROVIDER.list_models(str(codex.program))
    assert [model.default for model in models].count(True) == 1
    assert {model.source for model in models} == {"codex debug models"}
    plan = PROVIDER.upgrade_plan("0.170.0", str(codex.program))
    assert plan
    assert plan.argv[:3] == ("npm", "install", "--prefix")
    assert plan.argv[-1] == "@openai/codex@0.170.0"


def test_a_conversation_is_answered_goes_on_reads_its_cache_and_counts_each_turn_alone(
    codex: RealAgent, model_server: ModelServer
) -> None:
    """Lessons 76, 79 and 88, and traps 1 and 10."""
    first = codex.ask("SAY:größer 日本語", model="gpt-5.5", effort="high")
    assert (first.text, first.error, first.code) == ("größer 日本語", None, 0)
    assert first.events[0].kind is EventKind.SESSION
    native_id = first.summary.native_id
    assert first.summary.usage == reported(model_server)
    turns: list[Outcome] = [first]
    for prompt in ("HISTORY", shell("echo tool") + "\nHISTORY"):
        seen = len(model_server.log())
        turns.append(codex.ask(prompt, after=native_id, model="gpt-5.5", effort="high"))
        assert turns[-1].summary.usage == reported(model_server, seen)
    assert turns[1].text == "SAY:größer 日本語"
    assert {turn.summary.native_id for turn in turns} == {native_id}
    assert (turns[1].summary.usage.cache_read_tokens or 0) >= (first.summary.usage.cache_creation_tokens or 0) > 1_024
    assert [turn.summary.model for turn in turns[1:]] == ["gpt-5.5", "gpt-5.5"]
    sent = [entry["body"] for entry in model_server.log(bodies=True)]
    assert {(body["model"], body["reasoning"]["effort"]) for body in sent} == {("gpt-5.5", "high")}
    assert {body["prompt_cache_key"] for body in sent} == {native_id}


def test_an_unknown_conversation_is_refused_and_never_begun(codex: RealAgent, model_server: ModelServer) -> None:
    outcome = codex.ask("SAY:x", after="00000000-0000-7000-8000-000000000000")
    assert outcome.error == "session_not_found"
    assert model_server.log() == []


def test_lesson_78_a_prompt_arrives_as_text_and_as_nothing_else(codex: RealAgent, model_server: ModelServer) -> None:
    (codex.work / "secret.txt").write_text("the canary sings")
    prompts = ["-h", "--help", "resume", "review", " \n/status and @secret.txt and $skill\n\n- a list\n", "!ls"]
    for prompt in prompts:
        assert codex.ask(prompt).text.startswith("OK: ")
    log = model_server.log(bodies=True)
    assert [entry["words"] for entry in log] == prompts
    assert "canary" not in json.dumps(log)


def test_lesson_22_a_prompt_of_200_kilobytes_arrives_and_a_long_answer_too(
    codex: RealAgent, model_server: ModelServer
) -> None:
    prompt = "€ and more " * 16_000 + "\nBIG:2000000"
    assert len(codex.ask(prompt).text) == 2_000_000
    longest = "x" * (MAX_PROMPT_CHARS - 9) + "\nSAY:read"
    assert codex.ask(longest).text == "read"
    assert [entry["words"] for entry in model_server.log()] == [prompt, longest]


FAILURES = [
    ("bad", "SAY:x", "auth_required"),
    ("forbidden", "SAY:x", "auth_required"),
    ("broke", "SAY:x", "quota_exhausted"),
    ("any", "FAIL:413", "input_too_large"),
    ("any", "DROP", "unreachable"),
    ("any", "REFUSE", "provider_failed"),
]


def test_lesson_85_and_trap_18_each_failure_is_named_within_seconds(codex: RealAgent) -> None:
    for key, prompt, code in FAILURES:
        codex.environ["CODEX_API_KEY"] = key
        outcome = codex.ask(prompt)
        assert outcome.error == code, outcome
        assert outcome.failure
        assert outcome.failure.provider_message
        assert outcome.failure.recovery
        assert outcome.seconds < 15


def test_without_a_login_the_way_to_log_in_is_told(codex: RealAgent, model_server: ModelServer) -> None:
    del codex.environ["CODEX_API_KEY"]
    outcome = codex.ask("SAY:x")
    assert outcome.error == "auth_required"
    assert outcome.failure
    assert "codex login" in (outcome.failure.recovery or "")
    assert model_server.log() == []


def test_trap_5_a_service_that_is_gone_is_named(codex: RealAgent) -> None:
    service = '{name="gone",base_url="http://127.0.0.1:9/v1",request_max_retries=1,stream_max_retries=1}'
    codex.host.configure({}, {"codex": CodexSettings(overrides=('model_provider="x"', f"model_providers.x={service}"))})
    outcome = codex.ask("SAY:x")
    assert outcome.error == "unreachable", outcome
    assert outcome.seconds < 15


def test_trap_4_a_failure_that_passes_is_no_failure(codex: RealAgent) -> None:
    outcome = codex.ask("FAIL:500:1\nSAY:at last")
    assert (outcome.text, outcome.error) == ("at last", None)


def test_the_built_in_service_is_asked_with_the_key_of_the_environment(
    codex: RealAgent, model_server: ModelServer
) -> None:
    """Codex tries a WebSocket first; it is told that there is none."""
    base = f'openai_base_url="{model_server.url}/openai/v1"'
    codex.host.configure({}, {"codex": CodexSettings(overrides=(base,))})
    codex.environ["CODEX_API_KEY"] = "forbidden"
    assert codex.ask("SAY:x").error == "auth_required"
    codex.environ["CODEX_API_KEY"] = "any"
    outcome = codex.ask("SAY:x")
    assert (outcome.text, outcome.error) == ("x", None)


def test_an_object_is_given_when_a_schema_was(codex: RealAgent, model_server: ModelServer) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    first = codex.ask('SAY:{"n": 3}', output_schema=schema)
    assert first.summary.structured == {"n": 3}
    assert model_server.log(bodies=True)[-1]["body"]["text"]["format"]["schema"] == schema
    again = codex.ask('SAY:{"n": "3"}', output_schema=schema, after=first.summary.native_id)
    assert (again.text, again.summary.structured) == ('{"n": "3"}', None)


def test_trap_7_an_interrupted_run_ends_soon_and_leaves_no_child(codex: RealAgent, signal_pipe: SignalPipe) -> None:
    running = codex.start(shell(f"echo $$ > {signal_pipe.path}; sleep 300"), Posture.BYPASS)
    child = signal_pipe.wait()
    step = codex.info.end_steps[0]
    assert step.signal == signal.SIGINT
    os.killpg(running.process.pid, step.signal)
    asked_at = idle_clock()
    outcome = running.finish()
    assert idle_clock() - asked_at < step.grace_s
    assert outcome.error == "interrupted"
    assert outcome.summary.native_id
    assert not alive(child)
    again = codex.ask("HISTORY", after=outcome.summary.native_id)
    assert again.error is None
    assert "sleep 300" in again.text
