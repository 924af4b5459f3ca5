"""Messages that Grok and its service print, with their error codes."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from llm_gateway import EndReason, Failure, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_grok.failures import explain
from llm_gateway_provider_grok.output import GrokReader

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=timezone.utc)
BEGUN = b'{"type":"available_commands"}\n'
#: The message of an error event.
WORDINGS: list[tuple[str, str]] = [
    (
        'Internal error: {\n  "message": "API error (status 403 Forbidden): permission-denied: Content violates usage guidelines. Team: x, API key ID: y, Model: grok-4, Failed check: SAFETY_CHECK_TYPE_BIO.",\n  "http_status": 403\n}',
        "provider_failed",
    ),
    (
        'Internal error: {\n  "message": "API error (status 400 Bad Request): invalid-argument: Incorrect API key provided: xa***AA. You can obtain an API key from https://console.x.ai.",\n  "http_status": 400\n}',
        "auth_required",
    ),
    (
        'Internal error: {\n  "message": "API error (status 403 Forbidden): permission-denied: Access to the chat endpoint is denied. Please ensure you\'re using the correct credentials.",\n  "http_status": 403\n}',
        "auth_required",
    ),
    (
        'Internal error: {\n  "message": "API error (status 401 Unauthorized): Invalid or expired credentials (auth_kind=bearer, upstream=PermissionDenied, reason=no auth context)",\n  "http_status": 401\n}',
        "auth_required",
    ),
    (
        'Internal error: "Unauthorized (401) from https://cli-chat-proxy.grok.com/v1/responses: token expired"',
        "auth_required",
    ),
    (
        'Internal error: {\n  "message": "API error (status 429 Too Many Requests): Your team 1 has either used all available credits or reached its monthly spending limit. To continue making API requests, please purchase more credits or raise your spending limit.",\n  "http_status": 429\n}',
        "quota_exhausted",
    ),
    (
        'Internal error: {\n  "message": "API error (status 402 Payment Required): personal-team-blocked:spending-limit: You have run out of credits",\n  "http_status": 402\n}',
        "quota_exhausted",
    ),
    (
        "resource-exhausted: Too many requests for team x and model grok-4. Your team's rate limit is - Requests per Minute (actual/limit): 61/60",
        "quota_exhausted",
    ),
    ("You've hit your weekly usage limit. Resets Dec 3 at 9am (UTC).", "quota_exhausted"),
    ("Rate limit reached. Try again in 2h 15m.", "quota_exhausted"),
    (
        'Internal error: {\n  "message": "API error (status 503 Service Unavailable): The model is currently at capacity due to high demand. Please try again in a few minutes or use a different model.",\n  "http_status": 503\n}',
        "overloaded",
    ),
    (
        "The model grok-4.6 is currently at capacity due to high demand. Please try again in a few minutes.",
        "overloaded",
    ),
    (
        'Internal error: {\n  "message": "API error (status 429 Too Many Requests): The service is at capacity. Try again later.",\n  "http_status": 429\n}',
        "overloaded",
    ),
    (
        'Internal error: {\n  "message": "API error (status 404 Not Found): The model grok-9 does not exist or your team 1 does not have access to it.",\n  "http_status": 404\n}',
        "bad_model",
    ),
    (
        'Internal error: {\n  "message": "API error (status 400 Bad Request): invalid-argument: Model not found: grok-9",\n  "http_status": 400\n}',
        "bad_model",
    ),
    (
        'Internal error: {\n  "message": "API error (status 400 Bad Request): This model\'s maximum prompt length is 131072 but the request contains 537812 tokens.",\n  "http_status": 400\n}',
        "input_too_large",
    ),
    (
        'Internal error: {\n  "message": "API error (status 413 Payload Too Large): length limit exceeded",\n  "http_status": 413\n}',
        "input_too_large",
    ),
    (
        'Internal error: {\n  "message": "API error (status 400 Bad Request): Argument not supported on this model: connection incomplete",\n  "http_status": 400\n}',
        "provider_failed",
    ),
    (
        'Internal error: "reqwest error stream: error sending request for url (https://api.x.ai/v1/responses): dns error: failed to lookup address information"',
        "unreachable",
    ),
    ('Internal error: "invalid peer certificate: UnknownIssuer"', "unreachable"),
    ('Internal error: "operation timed out"', "overloaded"),
    (
        'Internal error: {\n  "message": "API error (status 403 Forbidden): <!DOCTYPE html><html><title>Just a moment...</title>",\n  "http_status": 403\n}',
        "unreachable",
    ),
    (
        'Internal error: {\n  "message": "API error (status 520): <html>cloudflare",\n  "http_status": 520\n}',
        "overloaded",
    ),
    ("Failed to refresh token: invalid_grant: refresh token already used", "auth_required"),
]


def outcome(stdout: bytes, stderr: str = "", code: int = 1) -> tuple[Summary, Failure]:
    reader = GrokReader()
    list(reader.feed("stdout", stdout))
    end = RunEnd(reason=EndReason.EXITED, exit_code=code, ended_at=NOW)
    summary = reader.finish(end)
    request = Request(provider="grok", prompt=Prompt(text="x"), working_dir="/")
    run = FinishedRun(
        request=request, posture=Posture.PLAN, resume=Resume(), end=end, summary=summary, stderr_tail=stderr
    )
    failure = explain(run)
    assert failure.recovery
    return summary, failure


def line(**event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"


@pytest.mark.parametrize(("words", "named"), WORDINGS)
def test_messages_of_a_service_in_grok_have_their_code(words: str, named: str) -> None:
    assert outcome(BEGUN + line(type="error", message=words), "WARN mcp: session not found")[1].code == named


def test_used_up_credit_is_not_a_login_failure_and_not_retryable() -> None:
    words = "API error (status 403 Forbidden): You have run out of credits or need a Grok subscription."
    failure = outcome(line(type="error", message=words))[1]
    assert (failure.code, failure.retryable) == ("quota_exhausted", False)
    assert "credit" in (failure.recovery or "")


@pytest.mark.parametrize("code", [129, 130, 134, 137, 139, 143])
@pytest.mark.parametrize(
    "noise", ["ERROR mcp: 401 Unauthorized", "Error: no session found", "WARN error sending request for url"]
)
def test_a_killed_run_of_grok_is_interrupted_with_any_output(code: int, noise: str) -> None:
    summary, failure = outcome(BEGUN + line(type="text", data="I began."), noise, code)
    assert (failure.code, summary.text) == ("interrupted", "I began.")


def test_a_separate_status_field_is_used() -> None:
    assert outcome(line(type="error", message="no", http_status=503))[1].code == "overloaded"
    assert outcome(line(type="error", error="no", code="rate_limit_exceeded"))[1].code == "quota_exhausted"
    assert outcome(line(type="error", message=None))[1].code == "provider_failed"


def test_a_session_rule_applies_only_before_the_conversation_began() -> None:
    words = "Error: No session found for current directory."
    assert outcome(b"", words)[1].code == "session_not_found"
    assert outcome(BEGUN, words)[1].code != "session_not_found"


@pytest.mark.parametrize("stop", ["end_turn", "EndTurn", "endTurn", None])
def test_a_finished_turn_is_an_answer_with_any_output_around_its_end(stop: str | None) -> None:
    error = line(type="error", message="turn summary failed: status 503")
    said, end = line(type="text", data="fine"), line(type="end", stopReason=stop, sessionId="s")
    for stream in (said + end, said + error + end, said + end + error):
        assert not outcome(stream, code=0)[0].failed


@pytest.mark.parametrize(
    ("stop", "code", "named"),
    [
        ("refusal", 0, "provider_failed"),
        ("cancelled", 0, "tool_denied"),
        ("cancelled", 1, "provider_failed"),
        ("max_turn_requests", 0, "provider_failed"),
        ("of_the_future", 0, "provider_failed"),
    ],
)
def test_a_stopped_turn_has_a_reason_and_keeps_its_text(stop: str, code: int, named: str) -> None:
    summary, failure = outcome(
        line(type="text", data="half") + line(type="end", stopReason=stop, sessionId="s"), code=code
    )
    assert (summary.text, summary.failed, failure.code) == ("half", True, named)


@pytest.mark.parametrize("frame", ["\ufeff{}\r\n", "\x1b[2K\x1b[0m{}\n", "Session found locally\n{}\nWARN {{}}\n"])
def test_output_around_the_events_of_grok_hides_nothing(frame: str) -> None:
    events = [
        {"type": "text", "data": "fine"},
        {"type": "new"},
        {"type": "end", "stopReason": "end_turn", "usage": None},
    ]
    summary, _ = outcome("".join(frame.format(json.dumps(event)) for event in events).encode(), code=0)
    assert (summary.text, summary.failed) == ("fine", False)


@pytest.mark.parametrize("wrong", [-5, 2**64 - 1, "7", True, 1e400])
def test_an_impossible_count_of_grok_is_unknown(wrong: object) -> None:
    usage = {"input_tokens": wrong, "output_tokens": 4}
    whole = line(type="end", stopReason="end_turn", usage=usage, total_cost_usd=wrong)
    added = line(type="usage", usage=usage) + line(type="usage", usage={"input_tokens": 9, "output_tokens": 1})
    for stream, written in ((whole, 4), (added, 5)):
        summary, _ = outcome(stream, code=0)
        assert (summary.usage.input_tokens, summary.usage.output_tokens, summary.cost.usd) == (None, written, None)
