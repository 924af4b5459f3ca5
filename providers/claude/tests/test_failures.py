from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llm_gateway.errors import ERRORS
from llm_gateway_provider_claude.failures import RULES, explain

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[[str], Recorded]

TABLE = {
    "api_timeout": "overloaded",
    "bad_model_stream": "bad_model",
    "connection_refused_json": "unreachable",
    "default_retries_auth": "auth_required",
    "default_retries_overload": "overloaded",
    "default_retries_rate": "quota_exhausted",
    "fail_auth_stream": "auth_required",
    "fail_credit_stream": "quota_exhausted",
    "fail_drop_stream": "overloaded",
    "fail_err400_stream": "provider_failed",
    "fail_err500_stream": "overloaded",
    "fail_forbid_json": "auth_required",
    "fail_maxtok_stream": "provider_failed",
    "fail_miderr_stream": "overloaded",
    "fail_overload_stream": "overloaded",
    "fail_rate_stream": "quota_exhausted",
    "fail_refuse_json": "provider_failed",
    "fail_svc503_json": "overloaded",
    "fail_toolong_json": "input_too_large",
    "max_budget": "provider_failed",
    "max_turns": "provider_failed",
    "missing_auth_stream": "auth_required",
    "perm_auto_write_outside": "tool_denied",
    "prompt_11mb_stdin": "input_too_large",
    "resume_unknown_id_stream": "session_not_found",
    "sandbox_nobwrap_fail_if_unavailable": "provider_failed",
    "session_id_reused": "session_not_resumable",
    "sig_sigint_during_bash": "interrupted",
    "sig_sigint_streaming": "interrupted",
    "sig_sigkill_streaming": "interrupted",
    "sig_sigterm_streaming": "interrupted",
    "startup_failure_results_stream_permission-mode": "provider_failed",
    "startup_failure_results_stream_session-id": "session_not_found",
    "unknown_flag": "version_unsupported",
}


@pytest.mark.parametrize(("case", "code"), TABLE.items())
def test_a_recorded_failure_has_its_code(case: str, code: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.code == code


def test_every_recorded_failure_is_in_the_table(recorded: Open, cases: list[str]) -> None:
    failed = {case for case in cases if recorded(case).end.exit_code != 0 or recorded(case).summary.failed}
    assert failed == TABLE.keys()


def test_lesson_85_the_providers_message_is_kept(recorded: Open) -> None:
    failure = explain(recorded("fail_rate_stream").finished())
    assert (failure.provider_message or "").startswith("API Error: Request rejected (429)")


@pytest.mark.parametrize("case", ["fail_maxtok_stream", "fail_refuse_json", "max_turns", "max_budget"])
def test_a_known_failure_has_a_recovery(case: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.recovery
    assert failure.message != "Claude Code failed."


def test_noise_on_stderr_does_not_decide_when_there_is_a_result(recorded: Open) -> None:
    run = replace(recorded("fail_rate_stream").finished(), stderr_tail="Not logged in")
    failure = explain(run)
    assert failure.code == "quota_exhausted"


def test_an_unknown_failure_keeps_the_last_lines_and_has_a_recovery(recorded: Open) -> None:
    failure = explain(replace(recorded("unknown_flag").finished(), stderr_tail="Segmentation fault"))
    assert (failure.code, failure.provider_message) == ("provider_failed", "Segmentation fault")
    assert failure.recovery


def test_a_service_that_cannot_be_reached_is_no_overloaded_one(recorded: Open, read: Any) -> None:
    """In a stream, a message before the result calls the refused connection an error of the server."""
    case = recorded("connection_refused_json")
    said = {"type": "assistant", "error": "server_error", "message": {"role": "assistant", "content": []}}
    _, summary, end = read(json.dumps(said).encode() + b"\n" + case.stdout, code=1)
    assert explain(replace(case.finished(), summary=summary, end=end)).code == "unreachable"


def test_every_rule_has_a_known_code() -> None:
    assert {rule.code for rule in RULES} <= ERRORS.keys()
