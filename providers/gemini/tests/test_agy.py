"""Antigravity, tested with an imitation (imitation_agy.py), not with the real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import (
    EndReason,
    EventKind,
    Failure,
    FinishedRun,
    Invocation,
    NativeSessionId,
    Posture,
    Prompt,
    Request,
    Resume,
    RunEnd,
    Summary,
    Usage,
)
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_gemini.agy.output import AgyReader
from llm_gateway_provider_gemini.plugin import GeminiProvider

PROVIDER = GeminiProvider()

IMITATION = Path(__file__).with_name("imitation_agy.py")
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
UNKNOWN = NativeSessionId("00000000-0000-4000-8000-000000000000")


def made(text: str, posture: Posture, resume: Resume, **asked: Any) -> tuple[Request, Invocation]:
    request = Request(provider="gemini", prompt=Prompt(text=text), working_dir="/", variant="agy", **asked)
    return request, PROVIDER.build_argv(request, posture, resume)


class Outcome:
    """An ended run of the imitation."""

    def __init__(self, request: Request, resume: Resume, done: subprocess.CompletedProcess[bytes]) -> None:
        reader = PROVIDER.open_reader(request)
        end = RunEnd(reason=EndReason.EXITED, exit_code=done.returncode, ended_at=NOW)
        self.events = [*reader.feed("stderr", done.stderr), *reader.feed("stdout", done.stdout)]
        self.summary: Summary = reader.finish(end)
        self.run = FinishedRun(
            request=request,
            posture=Posture.PROMPTED,
            resume=resume,
            end=end,
            summary=self.summary,
            stderr_tail=done.stderr.decode(),
        )

    @property
    def failure(self) -> Failure:
        """The failure of the run."""
        assert self.summary.failed or self.run.end.exit_code
        failure = PROVIDER.explain_failure(self.run)
        assert failure
        return failure


Ask = Callable[..., Outcome]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Run the imitation as the gateway runs the real program."""

    def run(
        text: str, posture: Posture = Posture.PROMPTED, after: NativeSessionId | None = None, **asked: Any
    ) -> Outcome:
        resume = Resume(native_id=after, fresh=after is None)
        request, invocation = made(text, posture, resume, **asked)
        env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **invocation.env}
        command = [sys.executable, str(IMITATION), *invocation.argv[1:]]
        return Outcome(
            request,
            resume,
            subprocess.run(command, input=invocation.stdin, env=env, capture_output=True, check=False, timeout=30),
        )

    return run


def test_the_prompt_goes_to_stdin_and_its_commands_are_not_read() -> None:
    _, invocation = made("--help", Posture.PROMPTED, Resume(), timeout_s=90.0)
    assert invocation.argv == (
        *("agy", "--input-format=stream-json", "--output-format=stream-json", "--disable-slash-commands"),
        "--print-timeout=150s",
    )
    assert json.loads(invocation.stdin or b"") == {"event": "user", "message": {"content": "--help"}}
    assert invocation.env["AGY_CLI_DISABLE_AUTO_UPDATE"] == "1"


def test_no_flag_of_gemini_cli_is_passed_to_antigravity() -> None:
    _, invocation = made("x", Posture.BYPASS, Resume(native_id=UNKNOWN, fresh=False), model="m-high", effort="low")
    flags = {element.partition("=")[0] for element in invocation.argv[1:]}
    assert flags >= {"--dangerously-skip-permissions", "--conversation", "--model", "--effort"}
    assert not flags & {"--resume", "--session-id", "--approval-mode", "--policy", "--skip-trust", "-o"}


@pytest.mark.parametrize("asked", [{"effort": "--x"}, {"model": "-m"}, {"add_dirs": ("here",)}], ids=str)
def test_values_that_antigravity_would_misread_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        made("x", Posture.PROMPTED, Resume(), **asked)


def test_an_answer_is_read_with_its_id_model_and_tokens(ask: Ask) -> None:
    outcome = ask("SAY:größer 日本語")
    assert outcome.summary.text == "größer 日本語"
    assert outcome.events[0].kind is EventKind.SESSION
    assert outcome.summary.native_id == outcome.events[0].text
    assert outcome.summary.model == "gemini-3.8-flash-high"
    assert outcome.summary.usage == Usage(
        input_tokens=11_000, output_tokens=50, cache_read_tokens=0, reasoning_tokens=20
    )


def test_lesson_79_a_later_turn_counts_only_its_own_tokens(ask: Ask) -> None:
    first = ask("SAY:one")
    second = ask("HISTORY", after=first.summary.native_id)
    assert second.summary.text == "SAY:one"
    assert second.summary.native_id == first.summary.native_id
    assert second.summary.usage == Usage(
        input_tokens=2_000, output_tokens=50, cache_read_tokens=9_000, reasoning_tokens=20
    )


def test_tokens_that_no_step_reports_are_unknown() -> None:
    reader = AgyReader()
    total = {"event": "result", "result": {"status": "SUCCESS", "response": "x", "usage": {"input_tokens": 9}}}
    list(reader.feed("stdout", json.dumps(total).encode()))
    assert reader.finish(RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=NOW)).usage == Usage()


def test_lesson_75_another_conversation_is_detected_by_its_id(ask: Ask) -> None:
    outcome = ask("SAY:x", after=UNKNOWN)
    assert outcome.summary.native_id not in (None, UNKNOWN)
    assert not outcome.summary.failed, "the gateway compares the ids after a successful turn"


def test_a_denied_tool_is_not_an_empty_success(ask: Ask) -> None:
    outcome = ask("DENY:command")
    assert outcome.run.end.exit_code == 0
    assert outcome.failure.code == "tool_denied"
    assert ask("DENY:command", Posture.BYPASS).summary.text == "command"


@pytest.mark.parametrize(
    ("prompt", "code"), [("QUOTA", "quota_exhausted"), ("LOGIN", "auth_required"), ("LATE", "timeout")]
)
def test_messages_decide_failures_and_not_the_exit_code(prompt: str, code: str, ask: Ask) -> None:
    assert ask(prompt).failure.code == code


def test_a_quota_failure_of_antigravity_has_a_reset_time(ask: Ask) -> None:
    assert ask("QUOTA").failure.reset_at == NOW + timedelta(hours=2, minutes=39, seconds=52)


def test_with_a_schema_antigravity_gives_a_structured_answer(ask: Ask) -> None:
    assert ask("SAY:3", output_schema={"type": "object"}).summary.structured == {"n": 3}


def test_a_version_without_the_needed_flags_is_version_unsupported() -> None:
    request, _ = made("x", Posture.PROMPTED, Resume())
    done = subprocess.CompletedProcess([], 2, b"", b"flag provided but not defined: -input-format\nUsage of agy:")
    assert Outcome(request, Resume(), done).failure.code == "version_unsupported"


def test_a_stream_of_antigravity_gives_the_same_summary_at_every_cut() -> None:
    lines = [
        {"event": "init", "init": {"conversation_id": "c", "model": "m"}},
        {"event": "step_update", "step_update": {"step_type": "agent_response", "text_delta": "größer 日本語"}},
        {"event": "step_update", "step_update": {"step_index": 1, "tool_info": {"name": "view", "parameters": {}}}},
        {"event": "step_update", "step_update": {"step_index": 1, "state": "DONE", "usage": {"input_tokens": 7}}},
        {"event": "result", "result": {"conversation_id": "c", "status": "SUCCESS", "response": "größer 日本語"}},
    ]
    stream = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    end, read = RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=NOW), []
    for cut in range(len(stream)):
        reader = AgyReader()
        events = [*reader.feed("stdout", stream[:cut]), *reader.feed("stdout", stream[cut:])]
        read.append((events, reader.finish(end)))
    assert read.count(read[0]) == len(read)
    assert read[0][1].usage.input_tokens == 7


@pytest.mark.parametrize("noise", [b"[]\n", b'{"event":"init","init":[]}\n', b'{"event":3}\n', b"\xff\n"], ids=repr)
def test_invalid_lines_of_antigravity_are_skipped(noise: bytes) -> None:
    reader = AgyReader()
    assert list(reader.feed("stdout", noise)) == []
