"""Error codes for the real output of the program."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from llm_gateway import EndReason, Failure, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway.errors import ERRORS
from llm_gateway_provider_echo.failures import FAILURES, explain


def finished(failure: dict[str, Any], *, exit_code: int = 1, text: str = "", stderr: str = "") -> FinishedRun:
    return FinishedRun(
        request=Request(provider="echo", prompt=Prompt(text="hello"), working_dir="/tmp"),
        posture=Posture.PROMPTED,
        resume=Resume(),
        end=RunEnd(reason=EndReason.EXITED, exit_code=exit_code, ended_at=datetime.now(timezone.utc)),
        summary=Summary(text=text, failed=bool(failure), failure=failure),
        stderr_tail=stderr,
    )


def explained(failure: dict[str, Any], **run: Any) -> Failure:
    answer = explain(finished(failure, **run))
    assert answer
    return answer


@pytest.mark.parametrize("kind", FAILURES)
def test_every_kind_has_a_known_code(kind: str) -> None:
    failure = explained({"kind": kind, "message": "own words"}, exit_code=0)
    assert failure.code in ERRORS
    assert failure.message
    assert failure.provider_message == "own words"


@pytest.mark.parametrize("kind", [kind for kind in FAILURES if kind != "session_not_found"])
def test_every_kind_has_a_recovery(kind: str) -> None:
    assert explained({"kind": kind}, exit_code=0).recovery


def test_an_unknown_kind_is_provider_failed() -> None:
    assert explained({"kind": "meteor", "message": "boom"}).code == "provider_failed"


def test_a_quota_failure_has_a_reset_time() -> None:
    failure = explained({"kind": "quota", "message": "used up", "resetAt": "2026-01-02T03:04:05Z"})
    assert failure.reset_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert failure.reset_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("time", [None, "soon", "2026-01-02T03:04:05", 7])
def test_an_invalid_time_is_not_guessed(time: object) -> None:
    assert explained({"kind": "quota", "resetAt": time}).reset_at is None


def test_lesson_19_exit_0_without_text_is_an_empty_answer() -> None:
    assert explained({}, exit_code=0).code == "empty_output"


def test_lesson_19_exit_0_without_a_result_is_unreadable() -> None:
    assert explained({"kind": "no_result"}, exit_code=0).code == "output_unreadable"


def test_a_crash_is_explained_by_the_kernel() -> None:
    assert explain(finished({"kind": "no_result"}, exit_code=3, stderr="fatal: oh")) is None


def test_a_bad_exit_after_an_answer_is_explained_by_the_kernel() -> None:
    assert explain(finished({}, exit_code=1, text="fine")) is None
