from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from llm_gateway import (
    Cost,
    CostBasis,
    EndReason,
    Failure,
    FinishedRun,
    JobState,
    NativeSessionId,
    Posture,
    Prompt,
    Request,
    Resume,
    RunEnd,
    Summary,
    Usage,
)
from llm_gateway.errors import ERRORS
from llm_gateway.jobs.outcome import judge

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
END = RunEnd(reason=EndReason.EXITED, exit_code=0, started_at=NOON, ended_at=NOON + timedelta(seconds=2))
RUN = FinishedRun(
    request=Request(provider="p", prompt=Prompt(text="hello"), working_dir="/w"),
    posture=Posture.PROMPTED,
    resume=Resume(),
    end=END,
    summary=Summary(text="fine"),
)


def judged(run: FinishedRun = RUN, explained: Failure | None = None, priced: Cost | None = None) -> Any:
    return judge(run, explain=lambda _run: explained, price=lambda *_: priced)


def ended(**changes: Any) -> FinishedRun:
    return replace(RUN, end=replace(END, **changes))


def summed(**changes: Any) -> FinishedRun:
    return replace(RUN, summary=replace(RUN.summary, **changes))


def test_a_run_that_ended_well_is_completed_however_noisy_stderr_was() -> None:
    state, reply = judged(replace(RUN, stderr_tail="warning: a lot of noise"))
    assert state is JobState.COMPLETED
    assert reply.failure is None
    assert reply.duration_s == 2.0


def test_lesson_19_exit_0_with_an_error_event_is_a_failure() -> None:
    state, reply = judged(summed(failed=True), Failure(code="auth_required", message="no"))
    assert state is JobState.FAILED
    assert reply.failure.code == "auth_required"


def test_lesson_19_exit_0_with_an_empty_answer_is_a_failure() -> None:
    state, reply = judged(summed(text=" \n"))
    assert (state, reply.failure.code, reply.empty) == (JobState.FAILED, "empty_output", True)


def test_a_failure_without_an_explanation_keeps_the_last_words() -> None:
    state, reply = judged(replace(ended(exit_code=3), stderr_tail="a\nb\nc\nd\n"))
    assert (state, reply.failure.code) == (JobState.FAILED, "provider_failed")
    assert reply.failure.provider_message == "b / c / d"


NOISE = "MCP server 'docs': session not found, 401 Unauthorized, token expired"


@pytest.mark.parametrize("changes", [{"exit_code": 137}, {"exit_code": 143}, {"exit_code": None, "signal": 9}])
def test_lesson_89_a_killed_run_is_interrupted_and_its_provider_is_not_asked(changes: dict[str, Any]) -> None:
    run = replace(ended(**changes), stderr_tail=NOISE, summary=Summary(text="half", native_id=NativeSessionId("n")))
    _, reply = judged(run, Failure(code="session_not_found", message="as stderr says"))
    assert (reply.failure.code, reply.native_id) == ("interrupted", "n")


def test_lesson_89_words_on_stderr_do_not_unmake_a_conversation_that_was_begun() -> None:
    run = replace(ended(exit_code=1), stderr_tail=NOISE, summary=Summary(native_id=NativeSessionId("n")))
    said = Failure(code="session_not_found", message="as stderr says")
    assert judged(run, said)[1].failure.code == "provider_failed"
    assert judged(replace(run, summary=Summary()), said)[1].failure.code == "session_not_found"
    told = Summary(native_id=NativeSessionId("n"), failed=True, failure={"message": "no such session"})
    assert judged(replace(run, summary=told), said)[1].failure.code == "session_not_found"


def test_a_killed_run_that_began_another_conversation_does_not_offer_it() -> None:
    resumed = Resume(native_id=NativeSessionId("asked"), fresh=False)
    run = replace(ended(exit_code=137), summary=Summary(native_id=NativeSessionId("other")), resume=resumed)
    assert (judged(run)[1].failure.code, judged(run)[1].native_id) == ("interrupted", None)


def test_lesson_92_a_failure_that_nobody_explains_is_judged_by_status_words_and_waiting_time() -> None:
    run = replace(ended(exit_code=1), stderr_tail="Error: status 429, try again in 90 seconds")
    for explained in (
        None,
        Failure(code="provider_failed", message="It failed."),
        Failure(code="made_up", message="x"),
    ):
        failure = judged(run, explained)[1].failure
        assert (failure.code, failure.reset_at) == ("quota_exhausted", END.ended_at + timedelta(seconds=90))


def test_a_provider_that_knows_what_to_do_is_not_corrected() -> None:
    run = replace(ended(exit_code=1), stderr_tail="Error: status 429, try again in 90 seconds")
    told = Failure(code="provider_failed", message="It failed.", recovery="Do this.")
    failure = judged(run, told)[1].failure
    assert (failure.code, failure.recovery) == ("provider_failed", "Do this.")
    assert failure.reset_at == END.ended_at + timedelta(seconds=90)
    assert failure.retryable


def test_a_providers_own_words_are_searched_where_its_reader_noted_none() -> None:
    run = summed(failed=True)
    told = Failure(code="quota_exhausted", message="Used up.", provider_message="resets in 90 seconds")
    assert judged(run, told)[1].failure.reset_at == END.ended_at + timedelta(seconds=90)


def test_lesson_92_every_failure_of_a_run_says_what_to_do() -> None:
    runs = [ended(reason=reason, exit_code=None) for reason in EndReason if reason is not EndReason.EXITED]
    runs += [ended(exit_code=code) for code in (1, 2, 9, 137)]
    runs += [summed(text=""), summed(failed=True), replace(RUN, request=replace(RUN.request, output_schema={}))]
    for run in runs:
        for explained in (None, *(Failure(code=code, message="m") for code in ERRORS)):
            failure = judged(run, explained)[1].failure
            assert failure is None or failure.recovery, (run.end, failure)


def test_counts_and_costs_that_cannot_be_true_are_unknown() -> None:
    usage = Usage(input_tokens=-1, output_tokens=2**63, cache_read_tokens=7)
    reply = judged(summed(usage=usage, cost=Cost(usd=-3.0, basis=CostBasis.REPORTED)))[1]
    assert reply.usage == Usage(cache_read_tokens=7)
    assert reply.cost == Cost()


def test_a_code_outside_the_closed_set_becomes_provider_failed() -> None:
    _, reply = judged(ended(exit_code=1), Failure(code="made_up", message="x"))
    assert reply.failure.code == "provider_failed"


@pytest.mark.parametrize(
    ("reason", "state", "code"),
    [
        (EndReason.TIMEOUT, JobState.FAILED, "timeout"),
        (EndReason.IDLE_TIMEOUT, JobState.FAILED, "idle_timeout"),
        (EndReason.OUTPUT_OVERFLOW, JobState.FAILED, "output_overflow"),
        (EndReason.SPAWN_FAILED, JobState.FAILED, "provider_failed"),
        (EndReason.VANISHED, JobState.INTERRUPTED, "interrupted"),
    ],
)
def test_ends_that_are_not_the_agents_own_are_named(reason: EndReason, state: JobState, code: str) -> None:
    got, reply = judged(ended(reason=reason, exit_code=None))
    assert (got, reply.failure.code) == (state, code)


def test_cancel_is_an_outcome_and_no_error() -> None:
    state, reply = judged(ended(reason=EndReason.CANCELED, exit_code=None))
    assert state is JobState.CANCELED
    assert reply.failure is None


def test_a_cli_that_silently_began_a_new_conversation_is_not_believed() -> None:
    resumed = Resume(native_id=NativeSessionId("asked"), fresh=False)
    state, reply = judged(replace(summed(native_id=NativeSessionId("other")), resume=resumed))
    assert (state, reply.failure.code) == (JobState.FAILED, "session_not_resumable")
    assert reply.native_id is None


def test_an_answer_that_ignores_the_schema_is_unreadable() -> None:
    asked = replace(RUN, request=replace(RUN.request, output_schema={"type": "object"}))
    assert judged(asked)[1].failure.code == "output_unreadable"
    with_object = replace(asked, summary=replace(asked.summary, structured={"a": 1}))
    assert judged(with_object)[0] is JobState.COMPLETED


def test_a_reported_cost_wins_and_an_unknown_one_may_be_computed() -> None:
    computed = Cost(usd=1.0, basis=CostBasis.COMPUTED)
    reported = Cost(usd=2.0, basis=CostBasis.REPORTED)
    assert judged(priced=computed)[1].cost == computed
    assert judged(summed(cost=reported), priced=computed)[1].cost == reported
    assert judged()[1].cost.basis is CostBasis.UNKNOWN


def test_missing_output_is_told() -> None:
    _, reply = judged(ended(holes={"stdout": (10, 20)}))
    assert reply.truncated
    assert reply.notices[0].code == "output_truncated"


@pytest.mark.parametrize("name", ["half \ud800 a character", "a book " * 100_000])
def test_a_name_that_no_store_can_keep_ends_no_job_badly(name: str) -> None:
    state, reply = judged(summed(model=name, native_id=NativeSessionId(name)))
    assert state is JobState.COMPLETED
    assert reply.native_id is None
    assert reply.model.encode().startswith((b"half ? a character", b"a book a book"))
    assert len(reply.model) <= 1000


@pytest.mark.parametrize("explained", [Failure(code="quota_exhausted", message="used up."), None])
def test_a_run_that_was_ended_because_its_program_waits_for_a_limit_says_until_when(explained: Failure | None) -> None:
    until = NOON + timedelta(hours=2)
    run = ended(reason=EndReason.CANCELED, exit_code=None, signal=2)
    state, reply = judge(run, explain=lambda _run: explained, price=lambda *_: None, waited_until=until)
    failure = reply.failure
    assert failure is not None
    assert (state, failure.code, failure.reset_at, failure.retryable) == (
        JobState.FAILED,
        "quota_exhausted",
        until,
        True,
    )
    assert "2026-11-22 14:00 UTC" in failure.message
