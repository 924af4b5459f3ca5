"""From what the program really prints to the closed set of codes."""

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
def test_every_kind_has_a_code_of_the_closed_set(kind: str) -> None:
    failure = explained({"kind": kind, "message": "own words"}, exit_code=0)
    assert failure.code in ERRORS
    assert failure.message
    assert failure.provider_message == "own words"


@pytest.mark.parametrize("kind", [kind for kind in FAILURES if kind != "session_not_found"])
def test_every_kind_says_what_to_do(kind: str) -> None:
    assert explained({"kind": kind}, exit_code=0).recovery


def test_a_kind_of_a_newer_version_is_a_failure_of_the_provider() -> None:
    assert explained({"kind": "meteor", "message": "boom"}).code == "provider_failed"


def test_a_quota_says_when_it_is_filled_again() -> None:
    failure = explained({"kind": "quota", "message": "used up", "resetAt": "2026-01-02T03:04:05Z"})
    assert failure.reset_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert failure.reset_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("time", [None, "soon", "2026-01-02T03:04:05", 7])
def test_a_time_that_is_none_is_not_guessed(time: object) -> None:
    assert explained({"kind": "quota", "resetAt": time}).reset_at is None


def test_lesson_19_exit_0_without_a_word_is_an_empty_answer() -> None:
    assert explained({}, exit_code=0).code == "empty_output"


def test_lesson_19_exit_0_without_a_result_is_unreadable() -> None:
    assert explained({"kind": "no_result"}, exit_code=0).code == "output_unreadable"


def test_a_crash_is_left_to_its_last_words() -> None:
    assert explain(finished({"kind": "no_result"}, exit_code=3, stderr="fatal: oh")) is None


def test_a_bad_exit_after_a_good_answer_is_left_to_its_last_words() -> None:
    assert explain(finished({}, exit_code=1, text="fine")) is None
