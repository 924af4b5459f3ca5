"""Step 6, its I/O: read a run's output to its end, and conclude its job."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from llm_gateway.dispatch import outcome
from llm_gateway.dispatch.seal import SECURITY
from llm_gateway.dispatch.surroundings import begin_look_after
from llm_gateway.errors import GatewayError, Interrupted, OutputUnreadable, SessionNotFound, StoreUnavailable
from llm_gateway.live import LiveOutput
from llm_gateway.model.invocation import EndReason, Notice, RunEnd
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.record import Record
from llm_gateway.model.reply import Failure, FinishedRun, Reply
from llm_gateway.model.request import Accepted

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway

_OF_ANOTHER = (
    "the agent's program named a conversation that belongs to somebody else. This answer cannot be continued; the next request "
    "begins a new conversation."
)


def open_live(gateway: Gateway, job: Job, accepted: Accepted) -> LiveOutput:
    """A fresh look at a run's output, from its first byte."""
    return LiveOutput(gateway.engine, job.id, gateway.host.open_reader(job.provider, accepted.request))


def conclude(gateway: Gateway, job: Job, end: RunEnd, accepted: Accepted, live: LiveOutput) -> tuple[Job, str]:
    """Read to the end, and judge: the ended job and the reply's words. Blocking: linear in the output not yet read."""
    seen_at = live.first_event_at
    remember_what_it_left = begin_look_after(gateway, job, end, accepted)  # while the output is read
    try:
        summary = live.finish(end)
    except OSError:  # the machine's trouble, not the reader's
        raise
    except Exception as error:  # a reader is a plugin's: whatever it does, the output is kept and the gateway lives
        failure = OutputUnreadable(f"the reader of {job.provider} failed: {type(error).__name__}: {error}")
        return failed(job, failure, end.ended_at), ""
    if end.reason in (EndReason.CANCELED, EndReason.VANISHED):
        summary = replace(summary, text=summary.text or live.partial_text)
    if seen_at and end.started_at and summary.run.first_event_s is None:
        seen_s = max(0.0, seen_at - end.started_at.timestamp())
        summary = replace(summary, run=replace(summary.run, first_event_s=seen_s))
    run = FinishedRun(
        request=accepted.request,
        posture=accepted.posture,
        resume=accepted.resume,
        end=end,
        summary=summary,
        stderr_tail=live.stderr_tail,
    )
    host = gateway.host
    state, reply = outcome.judge(run, explain=lambda r: host.explain_failure(job.provider, r), price=host.price)
    return remember_what_it_left(outcome.ended(job, state, reply, end.ended_at)), summary.text


def failed(job: Job, error: Exception, now: datetime | None = None) -> Job:
    """The job as it ends when it could not be carried out or followed."""
    known = error if isinstance(error, GatewayError) else Interrupted(f"the run could not be looked after: {error}")
    failure = Failure(
        code=known.code,
        message=known.message,
        recovery=known.recovery,
        provider_message=known.provider_message,
        reset_at=known.reset_at,
        retryable=known.retryable,
    )
    state = JobState.INTERRUPTED if known.code == Interrupted.code else JobState.FAILED
    return outcome.ended(
        job, state, Reply(failure=failure, empty=True, notices=known.notices), now or datetime.now(timezone.utc)
    )


async def unlearn(gateway: Gateway, job: Job) -> None:
    """Forget a conversation that a caller named, that began here with this job, and that turned out not to exist."""
    if job.error_code == SessionNotFound.code and job.session_id is not None:
        with suppress(StoreUnavailable):  # then it stays, and answers session_not_found again
            session = await gateway.store.get_session(job.session_id)
            if session is not None and session.created_at == job.created_at:
                await gateway.store.delete_session(session.id)


async def own_conversation(gateway: Gateway, job: Job, record: Record) -> tuple[Job, Record]:
    """The job and its record without the conversation that its agent named, if that belongs to another principal.

    The agent's program may print any id; whose a conversation is, the store knows. Raises StoreUnavailable.
    """
    native = job.reply.native_id if job.reply else None
    if job.reply is None or native is None:
        return job, record
    if await gateway.store.find_session(job.provider, native, job.principal) is not None:
        return job, record
    if await gateway.store.find_session(job.provider, native, None) is None:
        return job, record
    notice = Notice(code=SECURITY, message=_OF_ANOTHER)
    reply = replace(job.reply, native_id=None, notices=(*job.reply.notices, notice))
    return replace(job, reply=reply), replace(record, native_id=None)
