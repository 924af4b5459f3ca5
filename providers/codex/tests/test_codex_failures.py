from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from llm_gateway.errors import ERRORS
from llm_gateway_provider_codex.failures import RULES, explain

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[..., Recorded]

TABLE = {
    "auth-envkey-missing": "auth_required",
    "auth-json-key-401": "auth_required",
    "auth-none-builtin": "auth_required",
    "builtin-403": "auth_required",
    "c-unknown-provider": "provider_failed",
    "c-wrong-type": "provider_failed",
    "codex-home-missing": "provider_failed",
    "concurrent-2": "session_busy",
    "conn-refused-bounded": "unreachable",
    "disable-unknown": "version_unsupported",
    "fail-400": "provider_failed",
    "fail-401": "auth_required",
    "fail-401-noretry": "auth_required",
    "fail-403": "auth_required",
    "fail-404": "provider_failed",
    "fail-429": "quota_exhausted",
    "fail-500": "overloaded",
    "fail-503": "overloaded",
    "fail-529": "overloaded",
    "fail-ctx": "input_too_large",
    "fail-drop": "overloaded",
    "fail-incomplete": "provider_failed",
    "fail-model": "bad_model",
    "fail-quota": "quota_exhausted",
    "fail-stream-overloaded": "overloaded",
    "fail-stream-quota": "quota_exhausted",
    "fail-stream-rate": "quota_exhausted",
    "fail-stream-server_error": "overloaded",
    "fail-stream-unknown": "overloaded",
    "fail-usagelimit": "quota_exhausted",
    "flag-a-exec": "version_unsupported",
    "flag-full-auto": "version_unsupported",
    "idle-timeout": "overloaded",
    "mcp-broken-required": "provider_failed",
    "model-empty": "bad_model",
    "no-userns-read-only": "provider_failed",
    "no-userns-workspace-write": "provider_failed",
    "resume-archived": "session_not_resumable",
    "resume-unknown-uuid": "session_not_found",
    "signal-int-slow": "interrupted",
    "signal-int-tool": "interrupted",
    "signal-kill-tool-ww": "interrupted",
    "signal-term-slow": "interrupted",
}
#: Failures that cannot occur when the gateway starts Codex.
UNEXPLAINED = {"not-git", "stdin-empty"}


@pytest.mark.parametrize(("case", "code"), TABLE.items())
def test_a_recorded_codex_failure_has_its_code(case: str, code: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.code == code
    assert failure.recovery


def test_every_recorded_failure_is_in_the_table(recorded: Open, cases: list[str]) -> None:
    failed = {case for case in cases if recorded(case).end.exit_code != 0 or recorded(case).summary.failed}
    assert failed == TABLE.keys() | UNEXPLAINED


@pytest.mark.parametrize("case", sorted(UNEXPLAINED))
def test_an_unknown_failure_keeps_the_last_lines_and_has_a_recovery(case: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.code == "provider_failed"
    assert failure.provider_message
    assert failure.recovery


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("fail-401", "unexpected status 401 Unauthorized: Incorrect API key"),
        ("fail-400", "Invalid value: 'x'. (invalid_value)"),
        ("resume-unknown-uuid", "Error: thread/resume"),
        ("flag-full-auto", "error: unexpected argument '--full-auto' found"),
        ("mcp-broken-required", "Error: thread/start: thread/start failed"),
        ("fail-drop", "stream disconnected before completion"),
    ],
)
def test_lesson_85_the_services_message_is_kept(case: str, words: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert (failure.provider_message or "").startswith(words)


def test_trap_4_noise_on_stderr_does_not_decide_after_the_end_of_a_turn(recorded: Open) -> None:
    failure = explain(replace(recorded("fail-429").finished(), stderr_tail="401 Unauthorized, not logged in"))
    assert failure.code == "quota_exhausted"


def test_a_schema_that_the_service_refuses_is_invalid_request(recorded: Open) -> None:
    run = recorded("fail-400").finished()
    words = '{"error": {"message": "Invalid schema for response_format \'x\'.", "code": "invalid_json_schema"}}'
    failure = explain(replace(run, summary=replace(run.summary, failure={**run.summary.failure, "message": words})))
    assert failure.code == "invalid_request"
    assert "additionalProperties" in (failure.recovery or "")


def test_a_usage_limit_has_a_reset_time(recorded: Open) -> None:
    run = recorded("fail-usagelimit").finished()
    failure = explain(run)
    assert failure.reset_at is not None
    here = failure.reset_at.astimezone()
    assert (here.hour, here.minute) == (10, 50)
    assert timedelta(0) < failure.reset_at - run.end.ended_at <= timedelta(days=1)


def test_a_usage_limit_with_a_date_has_a_reset_time(recorded: Open) -> None:
    run = recorded("fail-usagelimit").finished()
    words = "You've hit your usage limit. Try again at Nov 25th, 2026 3:07 PM."
    failure = explain(replace(run, summary=replace(run.summary, failure={**run.summary.failure, "message": words})))
    assert failure.reset_at is not None
    assert f"{failure.reset_at.astimezone():%Y-%m-%d %H:%M}" == "2026-11-25 15:07"


def test_every_rule_of_codex_has_a_known_code() -> None:
    assert {rule.code for rule in RULES} <= ERRORS.keys()
