"""Admission of jobs: store them, then start them if the limits allow it, else queue them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from llm_gateway.errors import GatewayError, StoreUnavailable
from llm_gateway.jobs import request_digests
from llm_gateway.jobs.annotations import Annotator, Earlier
from llm_gateway.jobs.job_files import JobFiles
from llm_gateway.jobs.table import JobTable, KeptPlan
from llm_gateway.model.engine import Peers
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.session import Session
from llm_gateway.model.store import Admission, Limits, Store
from llm_gateway.planning.plan import Plan
from llm_gateway.planning.replan import Replanner

if TYPE_CHECKING:
    from llm_gateway.plugins.observers import Observers

log = logging.getLogger("llm_gateway.jobs")

#: How long to wait after a failure of the store before the next attempt to start jobs, in seconds.
RETRY_S = 2.0
#: Larger plans of queued jobs are not kept in memory: there may be many.
_KEPT_PLAN_BYTES = 64 * 1024
#: Starts the task that runs a job. If the plan is None, the task plans the job again.
Start = Callable[[Job, "Plan | None"], None]


class AdmissionQueue:
    """Admits this gateway's jobs and starts them as far as the limits allow."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        limits: Limits,
        files: JobFiles,
        annotator: Annotator,
        table: JobTable,
        peers: Peers,
        observers: Observers,
        start: Start,
        tasks: TaskGroup,
        replanner: Replanner,
    ) -> None:
        self._owner = owner
        self._store = store
        self._limits = limits
        self._files = files
        self._annotator = annotator
        self._table = table
        self._peers = peers
        self._observers = observers
        self._start = start
        self._tasks = tasks
        self._replanner = replanner
        self._starts = 0  #: how often `start_ready` was called

    async def admit(
        self, job: Job, plan: Plan, *, session: Session | None, queue_if_busy: bool, dedup_window_s: float
    ) -> Admission:
        """Store an accepted request, and start it if the limits allow it.

        :param dedup_window_s: how old a finished answer to the same request may be to be reused, in seconds; 0: reuse none.

        Raises SessionBusy, Saturated or StoreUnavailable; then nothing is stored.
        """
        with anyio.CancelScope(shield=True):  # a canceled call must not leave a stored job that no gateway starts
            admission = await self._admit(job, plan, session, queue_if_busy, dedup_window_s)
        return admission  # noqa: RET504 - outside, because a scope may swallow a cancellation

    async def _admit(self, job: Job, plan: Plan, session: Session | None, queue: bool, window_s: float) -> Admission:
        try:
            earlier = await self._annotator.earlier_turns(job, plan.accepted)
            job, kept = await to_thread.run_sync(self._prepare, job, plan, earlier)
            starts = self._starts
            admission = await self._store.admit(
                job, session=session, limits=self._limits, dedup_window_s=window_s, queue_if_busy=queue
            )
        except (GatewayError, OSError):
            await to_thread.run_sync(self._files.forget, job.id)
            raise
        if admission.deduplicated:
            await to_thread.run_sync(self._files.forget, job.id)
            return admission
        self._observers.job_changed(admission.job)
        if admission.job.state is JobState.RUNNING:
            self._start(admission.job, plan)
        else:
            self._table.queue(job.id, kept)
            if starts != self._starts:  # another run may have ended meanwhile
                await self.start_ready()
        return admission

    def _prepare(self, job: Job, plan: Plan, earlier: Earlier) -> tuple[Job, KeptPlan | None]:
        """Write a job's request. Blocking.

        Returns the job with its request digests and the warnings that exist before it runs, and its plan for the queue; None: the
        plan is too large to be kept.
        """
        document = self._files.keep_request(job.id, plan.accepted)
        digests = request_digests.digests_of(document)
        warnings = (*plan.invocation.warnings, *self._annotator.annotate(job, plan.accepted, earlier).notices)
        notices = tuple({"code": notice.code, "message": notice.message, **notice.details} for notice in warnings)
        kept = None
        if _bytes_of(plan) <= _KEPT_PLAN_BYTES:
            kept = KeptPlan(plan=plan, request_sha256=request_digests.sha256(document))
        return replace(job, notices=notices, request_digests=digests), kept

    async def start_ready(self, after_s: float = 0.0) -> None:
        """Start queued jobs as far as the limits allow.

        :param after_s: how long to wait before, in seconds.
        """
        if after_s:
            await anyio.sleep(after_s)
        self._starts += 1
        if not self._table.has_queued:
            return
        with anyio.CancelScope(shield=True):
            try:
                claimed = await self._store.claim(self._owner, self._limits, datetime.now(timezone.utc))
            except (StoreUnavailable, OSError) as error:  # try again soon: the next notification may be far away
                log.warning("queued jobs could not be started: %s", error)
                self._tasks.start_soon(self.start_ready, RETRY_S)
                return
            for job in claimed:
                self._observers.job_changed(job)
                self._start(job, await self._kept_plan(job))
            if claimed:  # another gateway's job may be the next in the queue
                await to_thread.run_sync(self._peers.notify, claimed[-1].id)

    async def _kept_plan(self, job: Job) -> Plan | None:
        """Return the plan of a job that was queued; None: it must be planned again."""
        kept = self._table.take_plan(job.id)
        if kept is None:
            return None
        try:
            if not await self._replanner.holds(job, kept.plan):
                return None
            found = await to_thread.run_sync(self._files.request_sha256, job.id)
        except (StoreUnavailable, OSError, RuntimeError):
            return None
        return kept.plan if found == kept.request_sha256 else None  # else the job ends: its request was changed


def _bytes_of(plan: Plan) -> int:
    built = plan.invocation
    return len(built.stdin or b"") + sum(map(len, built.files.values())) + len(plan.accepted.request.prompt.text)
