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
from llm_gateway.jobs.table import JobTable
from llm_gateway.model.engine import Peers
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.session import Session
from llm_gateway.model.store import Admission, Limits, Store
from llm_gateway.planning.plan import Plan

if TYPE_CHECKING:
    from llm_gateway.plugins.observers import Observers

log = logging.getLogger("llm_gateway.jobs")

#: How long to wait after a failure of the store before the next attempt to start jobs, in seconds.
RETRY_S = 2.0
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
            job = await to_thread.run_sync(self._prepare, job, plan, earlier)
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
        else:  # the job is planned again when it starts, because its conversation may have changed by then
            self._table.queue(job.id)
            await self.start_ready()  # another run may have ended meanwhile
        return admission

    def _prepare(self, job: Job, plan: Plan, earlier: Earlier) -> Job:
        """Write a job's request. Returns the job with its request digests and the warnings that exist before it runs. Blocking."""
        digests = request_digests.digests_of(self._files.keep_request(job.id, plan.accepted))
        warnings = (*plan.invocation.warnings, *self._annotator.annotate(job, plan.accepted, earlier).notices)
        notices = tuple({"code": notice.code, "message": notice.message, **notice.details} for notice in warnings)
        return replace(job, notices=notices, request_digests=digests)

    async def start_ready(self, after_s: float = 0.0) -> None:
        """Start queued jobs as far as the limits allow.

        :param after_s: how long to wait before, in seconds.
        """
        await anyio.sleep(after_s)
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
                self._start(job, None)
            if claimed:  # another gateway's job may be the next in the queue
                await to_thread.run_sync(self._peers.notify, claimed[-1].id)
