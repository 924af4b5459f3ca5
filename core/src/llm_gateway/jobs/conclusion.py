"""Concluding a job: read its run's output to the end, judge it, annotate the record, write the reply."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from llm_gateway.errors import GatewayError, Interrupted, OutputUnreadable, SessionNotFound, StoreUnavailable
from llm_gateway.jobs import outcome
from llm_gateway.jobs.annotations import Annotator, Earlier
from llm_gateway.jobs.job_files import JobFiles
from llm_gateway.jobs.output import LiveOutput
from llm_gateway.jobs.request_digests import SECURITY
from llm_gateway.model.engine import Engine
from llm_gateway.model.invocation import EndReason, Notice, RunEnd
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.record import Counts, Record
from llm_gateway.model.reply import Failure, FinishedRun, Reply
from llm_gateway.model.request import Accepted
from llm_gateway.model.store import Store
from llm_gateway.planning.surroundings import Surroundings

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost


_FOREIGN_SESSION = (
    "the agent's program reported the session id of another principal. This answer cannot be continued; the next request "
    "starts a new conversation."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The data to store for an ended run: the job in its final state, its record, and the record's tallies."""

    job: Job
    record: Record
    counts: Counts


class Concluder:
    """Turns ended runs into completions."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        host: PluginHost,
        files: JobFiles,
        annotator: Annotator,
        surroundings: Surroundings,
    ) -> None:
        self._store = store
        self._engine = engine
        self._host = host
        self._files = files
        self._annotator = annotator
        self._surroundings = surroundings

    def complete(
        self,
        job: Job,
        end: RunEnd | Exception,
        accepted: Accepted | None,
        earlier: Earlier,
        output: LiveOutput | None,
    ) -> Completion:
        """Conclude a job, annotate its record, and write its reply. Blocking: takes time in proportion to the unread output.

        :param end: how the run ended, or the error because of which it could not be carried out or followed.
        :param accepted: the accepted request; None: it could not be read. Then the job ends with an error.
        :param output: the output that was opened before; None: this method opens it and reads it from its first byte.
        """
        text = ""
        if isinstance(end, Exception):
            concluded = failed(job, end)
        elif accepted is None:
            concluded = failed(job, Interrupted(f"the request of {job.id} is not known"))
        else:
            if output is None:
                output = LiveOutput(self._engine, job.id, self._host.open_reader(job.provider, accepted.request))
            concluded, text = self._conclude(job, end, accepted, output)
        annotated = self._annotator.annotate(concluded, accepted, earlier, text)
        if concluded.reply:
            reply = replace(concluded.reply, notices=(*concluded.reply.notices, *annotated.notices))
            concluded = replace(concluded, reply=reply)
        self._files.keep_reply(job.id, text)
        return Completion(job=concluded, record=annotated.record, counts=annotated.counts)

    def _conclude(self, job: Job, end: RunEnd, accepted: Accepted, output: LiveOutput) -> tuple[Job, str]:
        """Read the output to its end and judge the run. Returns the ended job and the reply's text."""
        seen_at = output.first_event_at
        add_left_state = self._surroundings.begin_final_look(job, end, accepted)  # while the output is read
        try:
            summary = output.finish(end)
        except OSError:  # an error of the machine, not of the reader
            raise
        except Exception as error:  # a plugin's reader may raise anything: keep the output and fail only this job
            failure = OutputUnreadable(f"the reader of {job.provider} failed: {type(error).__name__}: {error}")
            return failed(job, failure, end.ended_at), ""
        if end.reason in (EndReason.CANCELED, EndReason.VANISHED):
            summary = replace(summary, text=summary.text or output.partial_text)
        if seen_at and end.started_at and summary.run.first_event_s is None:
            seen_s = max(0.0, seen_at - end.started_at.timestamp())
            summary = replace(summary, run=replace(summary.run, first_event_s=seen_s))
        run = FinishedRun(
            request=accepted.request,
            posture=accepted.posture,
            resume=accepted.resume,
            end=end,
            summary=summary,
            stderr_tail=output.stderr_tail,
        )
        waited_until = self._files.read_wait(job.id) if end.reason is EndReason.CANCELED else None
        state, reply = outcome.judge(
            run,
            explain=partial(self._host.explain_failure, job.provider),
            price=self._host.price,
            waited_until=waited_until,
        )
        return add_left_state(outcome.ended(job, state, reply, end.ended_at)), summary.text

    async def without_foreign_session(self, completion: Completion) -> Completion:
        """Remove the native session id from a completion if it belongs to another principal. Raises StoreUnavailable.

        The agent's program may print any id. The store decides whose it is.
        """
        job = completion.job
        native = job.reply.native_id if job.reply else None
        if job.reply is None or native is None:
            return completion
        if await self._store.find_session(job.provider, native, job.principal) is not None:
            return completion
        if await self._store.find_session(job.provider, native, None) is None:
            return completion
        notice = Notice(code=SECURITY, message=_FOREIGN_SESSION)
        reply = replace(job.reply, native_id=None, notices=(*job.reply.notices, notice))
        record = replace(completion.record, native_id=None)
        return replace(completion, job=replace(job, reply=reply), record=record)

    async def forget_missing_session(self, job: Job) -> None:
        """Delete the session that this job created for a conversation that the caller named and that does not exist."""
        if job.error_code != SessionNotFound.code or job.session_id is None:
            return
        with suppress(StoreUnavailable):  # then the session stays, and its next turn ends with session_not_found again
            session = await self._store.get_session(job.session_id)
            if session is not None and session.created_at == job.created_at:
                await self._store.delete_session(session.id)


def failed(job: Job, error: Exception, now: datetime | None = None) -> Job:
    """Return the final state of a job that could not be carried out or followed."""
    known = error if isinstance(error, GatewayError) else Interrupted(f"the run could not be followed: {error}")
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
