from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from llm_gateway.errors import ERRORS
from llm_gateway_provider_gemini.agy import failures as agy_failures
from llm_gateway_provider_gemini.gemini_cli import failures
from llm_gateway_provider_gemini.plugin import GeminiProvider

PROVIDER = GeminiProvider()

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[[str], Recorded]
    Read = Callable[..., Recorded]

#: Recorded runs that failed, with their codes. Successful runs are not in this table.
TABLE = {
    "auth401-stream-json": "auth_required",
    "bad-model-stream-json": "bad_model",
    "drop-stream-json": "overloaded",
    "empty-reply-stream-json": "empty_output",
    "err500-stream-json": "overloaded",
    "forbid403-json": "auth_required",
    "keybad400-stream-json": "auth_required",
    "max-turns-stream-json": "provider_failed",
    "missing-auth-nosettings": "auth_required",
    "missing-auth-stream-json": "auth_required",
    "overload503-stream-json": "overloaded",
    "policy-broken": "provider_failed",
    "quota-day429-stream-json": "quota_exhausted",
    "rate429-stream-json": "quota_exhausted",
    "resume-after-failure": "session_not_found",
    "resume-other-cwd": "session_not_found",
    "resume-unknown-uuid-stream": "session_not_found",
    "sandbox-flag": "provider_failed",
    "sandbox-no-runtime": "provider_failed",
    "server-down-json": "unreachable",
    "session-id-dup": "session_not_resumable",
    "sigkill-group-in-tool": "interrupted",
    "sigterm-norelaunch": "interrupted",
    "toolong-json": "input_too_large",
    "unknown-flag": "version_unsupported",
    "untrusted": "provider_failed",
    "yolo-disableYolo-json": "provider_failed",
}
#: Failures without a rule: the last lines of stderr say more.
UNNAMED = ("dirs-missing", "dashdash")


@pytest.mark.parametrize(("case", "code"), TABLE.items())
def test_traps_7_and_8_a_recorded_failure_of_gemini_has_its_code(case: str, code: str, recorded: Open) -> None:
    run = recorded(case)
    assert run.summary.failed or run.end.exit_code != 0
    failure = PROVIDER.explain_failure(run.finished())
    assert failure
    assert failure.code == code
    assert failure.provider_message or code == "interrupted"


@pytest.mark.parametrize("case", UNNAMED)
def test_a_failure_without_a_rule_shows_the_programs_message(case: str, recorded: Open) -> None:
    failure = PROVIDER.explain_failure(recorded(case).finished())
    assert failure
    assert (failure.code, bool(failure.recovery)) == ("provider_failed", True)
    assert (failure.provider_message or "") in recorded(case).stderr.decode().replace("\n", " / ")


def test_every_other_recorded_run_succeeded(recorded: Open, cases: list[str]) -> None:
    for case in set(cases) - set(TABLE) - set(UNNAMED):
        run = recorded(case)
        assert (run.summary.failed, run.end.exit_code) == (False, 0), case


def test_a_quota_failure_has_a_reset_time(recorded: Open) -> None:
    run = recorded("rate429-stream-json")
    failure = PROVIDER.explain_failure(run.finished())
    assert failure
    assert failure.reset_at == run.end.ended_at + timedelta(seconds=60)


def test_exit_0_without_output_is_unreadable(read: Read) -> None:
    failure = PROVIDER.explain_failure(read(b"").finished())
    assert failure
    assert failure.code == "output_unreadable"


def test_a_retried_attempt_is_not_the_cause_of_a_killed_run(read: Read) -> None:
    begun = b'{"type":"init","session_id":"x"}\n'
    failure = PROVIDER.explain_failure(read(begun, b"Attempt 1 failed with status 503. UNAVAILABLE\n").finished())
    assert failure
    assert failure.code == "interrupted"


def test_a_missing_login_has_a_recovery(recorded: Open) -> None:
    failure = PROVIDER.explain_failure(recorded("missing-auth-stream-json").finished())
    assert failure
    assert "GEMINI_API_KEY" in (failure.recovery or "")


def test_every_code_of_gemini_is_known() -> None:
    assert {rule.code for rule in (*failures.RULES, *agy_failures.RULES)} <= ERRORS.keys()
