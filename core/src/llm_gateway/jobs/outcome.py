"""Step 6: turn the end of a run into the reply, the record, and the job's final state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from llm_gateway.errors import ERRORS, Overloaded, ProviderFailed, QuotaExhausted, SessionNotFound
from llm_gateway.model.invocation import EndReason, Notice
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.record import Record
from llm_gateway.model.reply import Failure, FinishedRun, Reply, Summary
from llm_gateway.model.request import Accepted
from llm_gateway.model.usage import Cost, CostBasis, LimitWindow, RunFacts, Usage, plausible_usage, plausible_usd

Explain = Callable[[FinishedRun], "Failure | None"]
Price = Callable[[Usage, str, "str | None"], "Cost | None"]

#: Ends that the agent did not cause: the error code and message of each. None: the message of the error class.
_ENDS = {
    EndReason.TIMEOUT: ("timeout", "the run was ended after {limit:g} s, its time limit"),
    EndReason.IDLE_TIMEOUT: ("idle_timeout", "the run was ended after {idle:g} s without output"),
    EndReason.OUTPUT_OVERFLOW: ("output_overflow", None),
    EndReason.RESOURCE_LIMIT: ("provider_failed", "the run was ended: {detail}; raise it, or ask for less at once"),
    EndReason.VANISHED: ("interrupted", None),
    EndReason.SPAWN_FAILED: ("provider_failed", "the program could not be started: {detail}"),
}
#: Characters of a model's name or a session's id. Real ones have fewer than 100.
_LONGEST_NAME = 1000
_ANOTHER = "the CLI silently began a new conversation instead of continuing this one"
_STATES = {EndReason.CANCELED: JobState.CANCELED, EndReason.VANISHED: JobState.INTERRUPTED}


def judge(
    run: FinishedRun, *, explain: Explain, price: Price, waited_until: datetime | None = None
) -> tuple[JobState, Reply]:
    """Return the final state and the reply of a finished run.

    Exit code 0 alone does not mean success, and text on stderr does not mean failure.

    :param waited_until: the gateway ended the run because its CLI waited until then for a limit; None: it did not.
    """
    run = replace(run, summary=_storable(run.summary))
    summary, end = run.summary, run.end
    usage = plausible_usage(summary.usage)
    failure = _failure(run, explain) if waited_until is None else _limit_reached(run, explain, waited_until)
    notices = summary.notices
    if end.truncated:
        notices = (*notices, Notice(code="output_truncated", message="the middle of the output was not kept"))
    if failure is None and end.killed_descendants:
        message = f"{end.killed_descendants} processes that the agent left behind were ended"
        notices = (*notices, Notice(code="descendants_ended", message=message))
    cost = summary.cost
    if cost.usd is not None and plausible_usd(cost.usd) is None:
        cost = Cost()
    if cost.basis is CostBasis.UNKNOWN:
        cost = price(usage, run.request.provider, summary.model or run.request.model) or cost
    started = end.started_at or end.ended_at
    # Do not offer to continue another conversation, or one that cannot be continued.
    lost = _began_another(run) or (failure is not None and failure.code == "session_not_resumable")
    reply = Reply(
        model=summary.model,
        native_id=None if lost else summary.native_id,
        text_chars=len(summary.text),
        empty=not summary.text.strip() and summary.structured is None,
        truncated=end.truncated,
        exit_code=end.exit_code,
        duration_s=max(0.0, (end.ended_at - started).total_seconds()),
        usage=usage,
        cost=cost,
        run=_with_limit(summary.run, failure),
        failure=failure,
        structured=summary.structured,
        notices=notices,
    )
    otherwise = JobState.FAILED if failure else JobState.COMPLETED
    return otherwise if waited_until else _STATES.get(end.reason, otherwise), reply


def ended(job: Job, state: JobState, reply: Reply, now: datetime) -> Job:
    """Return the job in its final state."""
    code = reply.failure.code if reply.failure else None
    return replace(job, state=state, reply=reply, error_code=code, ended_at=now)


def record_of(job: Job, accepted: Accepted | None) -> Record:
    """Return the flight record of a job. Its outcome is `started` until the job is concluded."""
    reply, prompt = job.reply or Reply(), accepted.request.prompt if accepted else None
    return Record(
        job_id=job.id,
        session_id=job.session_id,
        native_id=reply.native_id,
        principal=job.principal,
        correlation_id=job.correlation_id,
        provider=job.provider,
        model=reply.model or job.model,
        posture=job.posture,
        resumed=accepted is not None and not accepted.resume.fresh,
        prompt_bytes=len(prompt.text.encode()) if prompt else 0,
        prefix_sha256=prompt.prefix_sha256 if prompt else None,
        prefix_bytes=len(prompt.prefix.encode()) if prompt else 0,
        usage=reply.usage,
        cost=reply.cost,
        run=reply.run,
        started_at=job.started_at or job.created_at,
        ended_at=job.ended_at,
        duration_s=reply.duration_s,
        outcome=job.state.value if job.state.ended else "started",
        error_code=job.error_code,
    )


def _with_limit(facts: RunFacts, failure: Failure | None) -> RunFacts:
    """Return the facts with the limit that a failure reports, unless the output reported a used-up window itself."""
    if failure is None or failure.code != QuotaExhausted.code or failure.reset_at is None:
        return facts
    if any(window.exhausted for window in facts.limits):
        return facts
    window = LimitWindow(name="limit", resets_at=failure.reset_at, exhausted=True)
    return replace(facts, limits=(*facts.limits, window))


def _storable(summary: Summary) -> Summary:
    """Return the summary with names that any store can keep. An agent may print half a character or a very long text as a name."""
    native = summary.native_id
    return replace(
        summary,
        model=None if summary.model is None else _whole(summary.model)[:_LONGEST_NAME],
        native_id=None if native is None or _whole(native) != native or len(native) > _LONGEST_NAME else native,
    )


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _failure(run: FinishedRun, explain: Explain) -> Failure | None:
    end = run.end
    if end.reason in _ENDS:
        code, template = _ENDS[end.reason]
        facts = {"limit": run.request.timeout_s, "idle": run.request.idle_timeout_s or 0.0, "detail": end.detail}
        return _named(code, template.format(**facts) if template else None)
    return None if end.reason is EndReason.CANCELED else _failure_of_its_own(run, explain)


def _limit_reached(run: FinishedRun, explain: Explain, until: datetime) -> Failure:
    """Return the failure of a run that was ended because its CLI waited for a limit."""
    ended = replace(run.end, reason=EndReason.EXITED, exit_code=1, signal=None)
    failure = _failure_told(replace(run, end=ended, summary=replace(run.summary, failed=True)), explain)
    if failure.code not in (QuotaExhausted.code, Overloaded.code):
        failure = replace(_named(QuotaExhausted.code), provider_message=failure.provider_message)
    wait = (
        f"the program would have waited until {until.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC, so the run was ended"
    )
    return replace(
        failure, message=f"{failure.message.rstrip('.')}: {wait}", reset_at=failure.reset_at or until, retryable=True
    )


def _failure_of_its_own(run: FinishedRun, explain: Explain) -> Failure | None:
    summary = run.summary
    if summary.failed or run.end.exit_code != 0:
        return _failure_told(run, explain)
    if _began_another(run):
        return _named("session_not_resumable", _ANOTHER)
    if run.request.output_schema is not None and summary.structured is None:
        return _named("output_unreadable", "the answer does not follow outputSchema")
    if not summary.text.strip() and summary.structured is None:
        return _named("empty_output", "the run ended well but gave no answer; files may have changed all the same")
    return None


def _failure_told(run: FinishedRun, explain: Explain) -> Failure:
    # Imported here, so that the start of a gateway does not pay for compiling the failure patterns.
    from llm_gateway.failures.rules import completed_failure, failure_facts, matching_rule, named_failure
    from llm_gateway.failures.shared_rules import COMMON_FAILURES

    facts = failure_facts(run)
    if facts.interrupted:  # do not ask the provider: text on stderr is not the reason for this end
        return named_failure(facts, ())
    if _began_another(run) and not run.summary.failed:
        return _named("session_not_resumable", _ANOTHER)
    explained = explain(run)
    if explained is None or explained.code not in ERRORS:
        return named_failure(facts, COMMON_FAILURES)
    if explained.code == SessionNotFound.code and facts.started and not facts.ended:
        return named_failure(facts, COMMON_FAILURES)  # stderr reports another session, because this run had started
    facts = failure_facts(run, explained.provider_message or "")
    if explained.code == ProviderFailed.code and not explained.recovery and matching_rule(facts, COMMON_FAILURES):
        return named_failure(facts, COMMON_FAILURES)  # the provider knows no cause, but a common rule does
    return completed_failure(explained, facts)


def _began_another(run: FinishedRun) -> bool:
    native_id = run.summary.native_id
    return not run.resume.fresh and bool(native_id) and native_id != run.resume.native_id


def _named(code: str, message: str | None = None) -> Failure:
    error = ERRORS[code](message)
    return Failure(code=code, message=error.message, recovery=error.recovery)
