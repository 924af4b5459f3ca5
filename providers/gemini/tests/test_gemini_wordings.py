"""Recorded messages of failures, killed runs, invalid bytes and impossible counts, for both programs."""

from __future__ import annotations

import json
import runpy
from datetime import datetime, timezone
from pathlib import Path

import pytest

from llm_gateway import EndReason, Failure, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_gemini.plugin import GeminiProvider

PROVIDER = GeminiProvider()

WORDINGS = runpy.run_path(str(Path(__file__).with_name("gemini_wordings.py")))
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=timezone.utc)
INIT = b'{"type":"init","session_id":"i"}\n'
AGY_INIT = b'{"event":"init","init":{"conversation_id":"c"}}\n'


def ended(code: int) -> RunEnd:
    return RunEnd(reason=EndReason.EXITED, exit_code=code, ended_at=NOW)


def outcome(stdout: bytes, stderr: str, code: int, variant: str = "gemini") -> tuple[Summary, Failure]:
    request = Request(provider="gemini", prompt=Prompt(text="x"), working_dir="/", variant=variant)
    reader = PROVIDER.open_reader(request)
    list(reader.feed("stdout", stdout))
    list(reader.feed("stderr", stderr.encode()))
    end = ended(code)
    summary = reader.finish(end)
    run = FinishedRun(
        request=request, posture=Posture.PLAN, resume=Resume(), end=end, summary=summary, stderr_tail=stderr
    )
    failure = PROVIDER.explain_failure(run)
    assert failure.recovery
    return summary, failure


def gemini_result(words: str) -> bytes:
    error = {"type": "unknown", "message": f"[API Error: {words}]"}
    return INIT + json.dumps({"type": "result", "status": "error", "error": error, "stats": {}}).encode()


def agy_result(error: object, response: str = "") -> bytes:
    result = {"conversation_id": "c", "status": "ERROR", "response": response, "error": error}
    return AGY_INIT + json.dumps({"event": "result", "result": result}).encode()


@pytest.mark.parametrize(("words", "code", "named"), WORDINGS["GEMINI"])
def test_messages_of_a_service_in_gemini_cli_have_their_code(words: str, code: int, named: str) -> None:
    summary, failure = outcome(gemini_result(words), "", code)
    assert summary.failed
    assert failure.code == named


@pytest.mark.parametrize(("words", "code", "named"), WORDINGS["GEMINI_STDERR"])
def test_messages_of_gemini_cli_only_on_standard_error_have_their_code(words: str, code: int, named: str) -> None:
    _, failure = outcome(b"", words, code)
    assert failure.code == named


@pytest.mark.parametrize(("words", "named"), WORDINGS["AGY"])
def test_messages_of_antigravity_have_their_code(words: str, named: str) -> None:
    assert outcome(agy_result(words), "", 0, "agy")[1].code == named


@pytest.mark.parametrize("code", [129, 130, 134, 137, 139, 143])
@pytest.mark.parametrize(("variant", "begun"), [("gemini", INIT), ("agy", AGY_INIT)])
def test_a_signal_is_not_a_status_of_the_service(code: int, variant: str, begun: bytes) -> None:
    noise = "Error during discovery for MCP server 'docs': 401 Unauthorized\nAttempt 1 failed with status 429. Retrying with backoff...\n"
    assert outcome(begun, noise, code, variant)[1].code == "interrupted"


def test_an_exit_code_is_a_status_only_after_a_final_failure() -> None:
    last = "Error when talking to Gemini API Full report available at: /t/x.json _ApiError: no"
    assert outcome(INIT, last, 147)[1].code == "auth_required"  # 403 modulo 256
    assert outcome(INIT, "", 147)[1].code == "interrupted"
    assert outcome(INIT, last, 137)[1].code == "interrupted"


def test_a_waiting_time_only_on_standard_error_is_reported() -> None:
    stderr = "Error when talking to Gemini API Full report available at: /t/x.json TerminalQuotaError: no\n  retryDelayMs: 45256000,\n}\n"
    _, failure = outcome(gemini_result("You have exhausted your daily quota on this model."), stderr, 173)
    assert failure.reset_at
    assert ((failure.reset_at - NOW).total_seconds(), failure.retryable) == (45256, True)


def test_an_unknown_session_of_an_mcp_server_is_not_the_conversation() -> None:
    stderr = "Error resuming session: Invalid session identifier"
    assert outcome(b"", stderr, 42)[1].code == "session_not_found"
    assert outcome(INIT, stderr, 42)[1].code != "session_not_found"


@pytest.mark.parametrize(
    ("told", "named", "retryable"),
    [
        ({"status": "UNAVAILABLE", "code": 503, "message": "x"}, "overloaded", None),
        ({"status": "RESOURCE_EXHAUSTED", "code": 8, "message": "Resets in 2h"}, "quota_exhausted", True),
        ({"status": "UNAUTHENTICATED", "message": "x"}, "auth_required", None),
        ({"status": "MOON", "code": 1, "message": "in the way", "retryable": True}, "provider_failed", True),
        ({"status": None, "code": None, "message": "in the way", "retryable": None}, "provider_failed", None),
    ],
)
def test_an_error_object_of_antigravity_is_read_in_every_position(
    told: dict[str, object], named: str, retryable: bool | None
) -> None:
    on_stderr = outcome(AGY_INIT, f"AGY_ERROR: {json.dumps(told)}\n", 3, "agy")[1]
    in_result = outcome(agy_result(told), "", 0, "agy")[1]
    assert [(f.code, f.retryable) for f in (on_stderr, in_result)] == [(named, retryable)] * 2


def test_an_answer_of_antigravity_is_kept_with_an_error() -> None:
    step = {"step_index": 1, "state": "DONE", "step_type": "agent_response", "text_delta": "The whole answer."}
    said = AGY_INIT + json.dumps({"event": "step_update", "step_update": step}).encode() + b"\n"
    for response in ("The whole answer.", "The whole", "", None):
        result = {"status": "ERROR", "response": response, "error": "stream was interrupted"}
        stream = said + json.dumps({"event": "result", "result": result}).encode()
        summary, failure = outcome(stream, "", 0, "agy")
        assert (summary.text, failure.code) == ("The whole answer.", "overloaded")


@pytest.mark.parametrize(
    "frame", ["\ufeff{}\r\n", "\x1b[2K\x1b[0m{}\n", "Loaded cached credentials.\n{}\n[INFO] {{}}\n"]
)
def test_output_around_the_events_hides_nothing(frame: str) -> None:
    events = [
        {"type": "init", "session_id": "i"},
        {"type": "message", "role": "assistant", "content": "fine"},
        {"type": "from_the_future", "content": None},
        {"type": "result", "status": "success", "stats": None},
    ]
    reader = PROVIDER.open_reader(
        Request(provider="gemini", prompt=Prompt(text="x"), working_dir="/", variant="gemini")
    )
    list(reader.feed("stdout", "".join(frame.format(json.dumps(event)) for event in events).encode()))
    summary = reader.finish(ended(0))
    assert (summary.text, summary.native_id, summary.failed) == ("fine", "i", False)


@pytest.mark.parametrize("wrong", [-5, 2**64 - 1, None, "7", True, 1e400])
def test_an_impossible_count_of_gemini_cli_is_unknown(wrong: object) -> None:
    stats = {"total_tokens": 30, "input_tokens": wrong, "cached": 5, "output_tokens": 4}
    reader = PROVIDER.open_reader(
        Request(provider="gemini", prompt=Prompt(text="x"), working_dir="/", variant="gemini")
    )
    list(reader.feed("stdout", json.dumps({"type": "result", "status": "success", "stats": stats}).encode()))
    usage = reader.finish(ended(0)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (None, 4, 5)
