"""Messages that Vibe and its service print, with their error codes."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from llm_gateway import EndReason, Failure, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_mistral.argv import EXPORT
from llm_gateway_provider_mistral.failures import explain
from llm_gateway_provider_mistral.output import MistralReader

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=timezone.utc)
BEGUN = b'{"sessionId":"s","turnId":"t","type":"message","role":"user"}\n'
#: The message of the error in the export.
WORDINGS: list[tuple[str, str]] = [
    (
        'API error occurred: Status 429. Body: {"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "service_tier_capacity_exceeded", "code": "3505"}',
        "overloaded",
    ),
    (
        'API error occurred: Status 429. Body: {"message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}',
        "quota_exhausted",
    ),
    ('API error occurred: Status 429. Body: {"message": "Monthly usage limit reached"}', "quota_exhausted"),
    ('API error occurred: Status 402. Body: {"detail": "You need to subscribe / top up"}', "quota_exhausted"),
    (
        'API error occurred: Status 401. Body: {"message": "Inactive subscription or usage limit reached"}',
        "quota_exhausted",
    ),
    ('API error occurred: Status 401. Body: {"detail": "Unauthorized"}', "auth_required"),
    (
        'API error occurred: Status 400. Body: {"message": "Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length", "type": "invalid_request_prompt", "code": "3051"}',
        "input_too_large",
    ),
    (
        'API error occurred: Status 400. Body: {"message": "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant", "type": "invalid_request_message_order", "code": "3230"}',
        "session_not_resumable",
    ),
    (
        'API error occurred: Status 400. Body: {"message": "Not the same number of function calls and responses", "type": "invalid_request_message_order", "code": "3230"}',
        "session_not_resumable",
    ),
    (
        'API error occurred: Status 400. Body: {"message": "Assistant message must have either content or tool_calls, but not none.", "type": "invalid_request_assistant_message", "code": "3240"}',
        "session_not_resumable",
    ),
    (
        'API error occurred: Status 400. Body: {"message": "Invalid model: foo", "type": "invalid_model", "code": "1500"}',
        "bad_model",
    ),
    (
        'API error occurred: Status 422. Body: {"detail": [{"type": "extra_forbidden", "loc": ["body", "messages", 2, "name"], "msg": "Extra inputs are not permitted connection timed out"}]}',
        "provider_failed",
    ),
    (
        'API error occurred: Status 503. Body: {"message": "Internal server error", "type": "unreachable_backend", "code": "1100"}',
        "overloaded",
    ),
    (
        'API error from mistral (model: mistral-vibe-cli-latest): LLM backend error [mistral]\n  status: 504 Gateway Timeout\n  reason: 504 Gateway Timeout\n  request_id: N/A\n  endpoint: https://api.mistral.ai\n  model: mistral-vibe-cli-latest\n  provider_message: N/A\n  body_excerpt: \n  payload_summary: {"model":"m","message_count":429,"approx_chars":50000}',
        "overloaded",
    ),
    (
        'API error from mistral (model: mistral-vibe-cli-latest): LLM backend error [mistral]\n  status: N/A\n  reason: ReadError(\'\')\n  request_id: N/A\n  endpoint: https://api.mistral.ai\n  model: mistral-vibe-cli-latest\n  provider_message: Network error\n  body_excerpt: \n  payload_summary: {"model":"m","message_count":429,"approx_chars":50000}',
        "unreachable",
    ),
    (
        "API error from mistral (model: m): [SSL: SSLV3_ALERT_BAD_RECORD_MAC] ssl/tls alert bad record mac (_ssl.c:2710)",
        "unreachable",
    ),
    (
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1010)",
        "unreachable",
    ),
    ("[Errno -2] Name or service not known", "unreachable"),
    ("peer closed connection without sending complete message body (incomplete chunked read)", "unreachable"),
    ("Server disconnected without sending a response.", "unreachable"),
    ("ReadTimeout: timed out", "overloaded"),
    ("407 Proxy Authentication Required", "unreachable"),
    (
        "Rate limits exceeded. Please wait a moment before trying again, or upgrade to Pro for higher rate limits and uninterrupted access.",
        "quota_exhausted",
    ),
    ("The model refused to answer this request.", "provider_failed"),
    (
        'API error from mistral (model: mistral-vibe-cli-latest): LLM backend error [mistral]\n  status: 403 Forbidden\n  reason: 403 Forbidden\n  request_id: N/A\n  endpoint: https://api.mistral.ai\n  model: mistral-vibe-cli-latest\n  provider_message: Your request was blocked by the moderation guardrail\n  body_excerpt: \n  payload_summary: {"model":"m","message_count":429,"approx_chars":50000}',
        "provider_failed",
    ),
    (
        'API error from mistral (model: mistral-vibe-cli-latest): LLM backend error [mistral]\n  status: 400 Bad Request\n  reason: 400 Bad Request\n  request_id: N/A\n  endpoint: https://api.mistral.ai\n  model: mistral-vibe-cli-latest\n  provider_message: The connection field is invalid; timed out values not allowed\n  body_excerpt: \n  payload_summary: {"model":"m","message_count":429,"approx_chars":50000}',
        "provider_failed",
    ),
]


def outcome(stdout: bytes, export: object = None, stderr: str = "", code: int = 2) -> tuple[Summary, Failure]:
    request = Request(provider="mistral", prompt=Prompt(text="x"), working_dir="/")
    reader = MistralReader(request)
    list(reader.feed("stdout", stdout))
    list(reader.feed("stderr", stderr.encode()))
    left = {} if export is None else {EXPORT: json.dumps(export).encode()}
    end = RunEnd(reason=EndReason.EXITED, exit_code=code, ended_at=NOW, artifacts=left)
    summary = reader.finish(end)
    run = FinishedRun(
        request=request, posture=Posture.PLAN, resume=Resume(), end=end, summary=summary, stderr_tail=stderr
    )
    failure = explain(run)
    assert failure.recovery
    return summary, failure


def failed(words: str, code: str | None = "backend_error") -> dict[str, object]:
    return {"outcome": "infrastructure_failure", "error": {"message": words, "code": code}}


def said(text: str) -> bytes:
    entry = {"sessionId": "s", "type": "message", "role": "assistant", "content": [{"type": "text", "text": text}]}
    return json.dumps(entry).encode() + b"\n"


@pytest.mark.parametrize(("words", "named"), WORDINGS)
def test_messages_of_a_service_in_vibe_have_their_code(words: str, named: str) -> None:
    with_export = outcome(BEGUN, failed(words), "MCP server 'docs' failed to connect: 401 Unauthorized")[1]
    alone = outcome(BEGUN, None, f"Compacting conversation history...\nError: {words}")[1]
    assert [with_export.code, alone.code] == [named, named]


@pytest.mark.parametrize(
    "word", ["incomplete", "connection", "timed out", "refused", "session not found", "stream ended"]
)
def test_a_word_in_the_error_of_a_bad_request_is_not_another_failure(word: str) -> None:
    body = json.dumps(
        {"object": "error", "message": f"Tool call arguments are {word}", "type": "invalid_request_error"}
    )
    failure = outcome(BEGUN, failed(f"API error occurred: Status 400. Body: {body}"))[1]
    assert (failure.code, failure.retryable) == ("provider_failed", None)


@pytest.mark.parametrize("code", [129, 130, 134, 137, 139, 143])
def test_a_killed_run_of_vibe_is_interrupted_with_any_output(code: int) -> None:
    noise = "MCP server 'docs' failed to connect: All connection attempts failed\nError: Session not found: x\n"
    summary, failure = outcome(BEGUN + said("I began."), None, noise, code)
    assert (failure.code, summary.text) == ("interrupted", "I began.")


@pytest.mark.parametrize("how", ["turn_limit", "price_limit", "token_limit", "terminated", "deadline"])
def test_a_stopped_run_is_recognized_with_and_without_its_export(how: str) -> None:
    named = "interrupted" if how in ("terminated", "deadline") else "provider_failed"
    assert outcome(BEGUN, {"outcome": how, "error": None}, code=3)[1].code == named
    assert outcome(BEGUN, None, f"Stopped: {how}\n", code=3)[1].code == named


def test_a_session_rule_of_vibe_applies_only_before_the_conversation_began() -> None:
    words = "Session not found: x"
    assert outcome(b"", failed(words, None), code=1)[1].code == "session_not_found"
    assert outcome(BEGUN, failed(words, None), code=1)[1].code != "session_not_found"


@pytest.mark.parametrize("outcome_word", ["finished", "of_the_future", None])
def test_an_answer_with_exit_code_0_is_a_success(outcome_word: str | None) -> None:
    summary, _ = outcome(BEGUN + said("fine"), {"outcome": outcome_word, "error": None}, code=0)
    assert (summary.text, summary.failed) == ("fine", False)


def test_an_error_in_the_export_overrides_the_exit_code() -> None:
    summary, failure = outcome(BEGUN + said("half"), failed("API error occurred: Status 503."), code=0)
    assert (summary.text, summary.failed, failure.code) == ("half", True, "overloaded")


@pytest.mark.parametrize("frame", ["\ufeff{}\r\n", "\x1b[2K\x1b[0m{}\n", "Reading keys\n{}\nINFO {{}}\n"])
def test_output_around_the_entries_of_vibe_hides_nothing(frame: str) -> None:
    lines = [*(BEGUN + said("fine")).decode().splitlines(), '{"type":"of_the_future","content":null}']
    summary, _ = outcome("".join(frame.format(entry) for entry in lines).encode(), code=0)
    assert (summary.text, summary.native_id) == ("fine", "s")


@pytest.mark.parametrize("wrong", [-5, 2**64 - 1, "7", True, 1e400])
def test_an_impossible_count_of_vibe_makes_the_usage_unknown(wrong: object) -> None:
    export = {"outcome": "finished", "usage": {"input_tokens": wrong, "output_tokens": 4}, "cost_usd": wrong}
    summary, _ = outcome(BEGUN + said("fine"), export, code=0)
    assert (summary.usage.input_tokens, summary.usage.output_tokens, summary.cost.usd) == (None, None, None)
