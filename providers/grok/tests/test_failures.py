from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llm_gateway.errors import ERRORS
from llm_gateway_provider_grok.failures import RULES, explain

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[[str], Recorded]

TABLE = {
    "bad-model-streaming": "bad_model",
    "bad-permission-mode": "version_unsupported",
    "conn-refused": "unreachable",
    "continue-none": "session_not_found",
    "ctxlen": "input_too_large",
    "dropped-streaming": "overloaded",
    "effort-bogus-supported": "invalid_request",
    "grokhome-readonly": "provider_failed",
    "http400": "provider_failed",
    "http401": "auth_required",
    "http403": "auth_required",
    "http403-quota": "quota_exhausted",
    "http429-streaming": "quota_exhausted",
    "http500-streaming": "overloaded",
    "http503": "overloaded",
    "http529": "overloaded",
    "json-schema-bad": "invalid_request",
    "max-turns-2-streaming": "provider_failed",
    "maxtokens": "provider_failed",
    "mcp-call-default": "tool_denied",
    "no-words": "empty_output",
    "noauth-streaming": "auth_required",
    "perm-default-write": "tool_denied",
    "perm-sb-bad-read": "provider_failed",
    "perm-sb-workspace-writeout": "provider_failed",
    "refusal-streaming": "provider_failed",
    "resume-unknown-title": "session_not_found",
    "resume-unknown-uuid-streaming": "session_not_found",
    "sandbox-differs": "session_not_resumable",
    "session-id-exists": "session_not_resumable",
    "session-id-not-uuid": "session_not_found",
    "sigint-tool": "interrupted",
    "sigterm-hang": "interrupted",
    "sigterm-streaming": "interrupted",
    "stream-drop": "overloaded",
    "stream-error": "overloaded",
    "unknown-flag": "version_unsupported",
}


@pytest.mark.parametrize(("case", "code"), TABLE.items())
def test_a_recorded_failure_of_grok_has_its_code(case: str, code: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.code == code


def test_every_recorded_failure_of_grok_is_in_the_table(recorded: Open, cases: list[str]) -> None:
    failed = {case for case in cases if recorded(case).end.exit_code != 0 or recorded(case).summary.failed}
    assert failed == TABLE.keys()


def test_trap_12_a_429_without_its_number_is_recognized(recorded: Open) -> None:
    failure = explain(recorded("http429-streaming").finished())
    assert failure.provider_message == "rate_limit_exceeded: Too many requests for this model. Please retry later."


def test_lesson_19_a_turn_that_needed_an_approval_failed_despite_exit_code_0(recorded: Open) -> None:
    case = recorded("perm-default-write")
    assert case.end.exit_code == 0
    failure = explain(case.finished())
    assert "posture" in (failure.recovery or "")


@pytest.mark.parametrize("case", ["maxtokens", "refusal-streaming", "max-turns-2-streaming", "perm-sb-bad-read"])
def test_a_known_failure_of_grok_has_a_recovery(case: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.recovery
    assert failure.message != "Grok failed."


def test_noise_on_stderr_does_not_decide_when_there_is_a_last_line(recorded: Open) -> None:
    failure = explain(replace(recorded("http429-streaming").finished(), stderr_tail="Not signed in"))
    assert failure.code == "quota_exhausted"


def test_an_unknown_failure_of_grok_shows_its_message(recorded: Open) -> None:
    failure = explain(replace(recorded("unknown-flag").finished(), stderr_tail="Segmentation fault"))
    assert (failure.code, failure.provider_message) == ("provider_failed", "Segmentation fault")
    assert failure.recovery


def test_every_rule_of_grok_has_a_known_code() -> None:
    assert {rule.code for rule in RULES} <= ERRORS.keys()
