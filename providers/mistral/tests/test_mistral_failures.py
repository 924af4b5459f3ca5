from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llm_gateway.errors import ERRORS
from llm_gateway_provider_mistral.failures import RULES, explain

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[..., Recorded]

TABLE = {
    "bad-flag": "version_unsupported",
    "concurrent-b": "session_busy",
    "config-broken": "provider_failed",
    "empty-stdin": "provider_failed",
    "err-400": "provider_failed",
    "err-401": "auth_required",
    "err-404-model": "bad_model",
    "err-429": "quota_exhausted",
    "err-500": "overloaded",
    "err-503": "overloaded",
    "err-ctxlen": "input_too_large",
    "err-cut": "overloaded",
    "err-nousage": "provider_failed",
    "err-refused": "unreachable",
    "limit-max-price": "provider_failed",
    "limit-max-turns": "provider_failed",
    "limit-time": "interrupted",
    "missing-auth": "auth_required",
    "nolog-resume": "session_not_resumable",
    "session-bad-id": "session_not_found",
    "sigint-tool": "interrupted",
    "sigkill-tool": "interrupted",
    "sigterm-early": "interrupted",
    "sigterm-model": "interrupted",
    "tool-bad-agent": "version_unsupported",
}


@pytest.mark.parametrize(("case", "code"), TABLE.items())
def test_a_recorded_failure_of_vibe_has_its_code(case: str, code: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.code == code


def test_an_unknown_alias_is_bad_model(recorded: Open) -> None:
    failure = explain(recorded("bad-model-alias", model="nonsense").finished())
    assert failure.code == "bad_model"


def test_every_recorded_failure_of_vibe_is_in_the_table(recorded: Open, cases: list[str]) -> None:
    failed = {case for case in cases if recorded(case).end.exit_code != 0 or recorded(case).summary.failed}
    assert failed == TABLE.keys()


def test_lesson_85_the_message_of_vibe_is_kept(recorded: Open) -> None:
    failure = explain(recorded("err-429").finished())
    assert "Requests rate limit exceeded" in (failure.provider_message or "")


@pytest.mark.parametrize("case", sorted(TABLE))
def test_a_known_failure_of_vibe_has_a_recovery(case: str, recorded: Open) -> None:
    failure = explain(recorded(case).finished())
    assert failure.recovery


def test_noise_on_stderr_does_not_decide_when_there_is_an_export(recorded: Open) -> None:
    run = replace(recorded("err-429").finished(), stderr_tail="Session not found: x")
    failure = explain(run)
    assert failure.code == "quota_exhausted"


def test_an_unknown_failure_of_vibe_shows_its_message(recorded: Open) -> None:
    failure = explain(replace(recorded("bad-flag").finished(), stderr_tail="Segmentation fault"))
    assert (failure.code, failure.provider_message) == ("provider_failed", "Segmentation fault")


def test_every_rule_of_vibe_has_a_known_code() -> None:
    assert {rule.code for rule in RULES} <= ERRORS.keys()
