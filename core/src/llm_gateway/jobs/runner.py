"""Run one job: launch, wait, conclude, store the end."""

from __future__ import annotations

import logging
from errno import EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from llm_gateway.errors import GatewayError, StoreUnavailable
from llm_gateway.jobs.annotations import Annotator
from llm_gateway.jobs.conclusion import Completion, Concluder
from llm_gateway.jobs.job_files import JobFiles
from llm_gateway.jobs.table import JobTable
from llm_gateway.model.engine import Engine
from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.job import Job
from llm_gateway.model.request import Accepted
from llm_gateway.model.store import Store
from llm_gateway.planning.plan import Plan, Planner
from llm_gateway.planning.replan import Replanner

if TYPE_CHECKING:
    from llm_gateway.plugins.observers import Observers

log = logging.getLogger("llm_gateway.jobs")

#: How long to wait after a passing error of the machine before the run is followed again, in seconds.
RETRY_S = 2.0
#: Errors for a temporary shortage on the machine. They mean nothing about the run.
_PASSING = {EDQUOT, EMFILE, ENFILE, ENOMEM, EIO, ENOSPC, EROFS}
#: Number of threads that read runs to their ends. Long output takes seconds, so they are not the threads that answer callers.
_CONCLUDING_THREADS = 16


class JobRunner:
    """Runs this gateway's jobs."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        engine: Engine,
        files: JobFiles,
        table: JobTable,
        planner: Planner,
        replanner: Replanner,
        annotator: Annotator,
        concluder: Concluder,
        observers: Observers,
    ) -> None:
        self._owner = owner
        self._store = store
        self._engine = engine
        self._files = files
        self._table = table
        self._planner = planner
        self._replanner = replanner
        self._annotator = annotator
        self._concluder = concluder
        self._observers = observers
        self._threads = anyio.CapacityLimiter(_CONCLUDING_THREADS)

    async def run(self, job: Job, plan: Plan | None) -> Job | None:
        """Launch a job's run, or follow the run that exists. Returns the ended job; None: another gateway has ended it.

        :param plan: None: the job may run already; if it does not, it is planned again.
        """
        ended = None
        try:
            ended = await self._store_end(job, await self._complete(job, plan))
        finally:
            self._table.end(job.id, ended)
        return ended

    async def _complete(self, job: Job, plan: Plan | None) -> Completion:
        """Wait for the end of the run and conclude the job. Passing errors of the machine do not end the job."""
        accepted: Accepted | None = None
        failure: Exception | None = None
        while True:
            first_plan, plan = plan, None
            try:
                if failure is not None:
                    return await self._conclude(job, failure, accepted)
                end, accepted = await self._launch_and_wait(job, first_plan)
                return await self._conclude(job, end, accepted)
            except Exception as error:  # an error of one job must not end the others
                if _is_passing(error):  # an error of the machine must not end the job
                    log.warning("%s cannot be followed yet: %s", job.id, error)
                    self._table.launched(job.id)  # `drained` need not wait for it: the next gateway can take it over
                    await anyio.sleep(RETRY_S)
                    continue
                if failure is not None:
                    raise
                if not isinstance(error, GatewayError):
                    log.exception("%s could not be followed", job.id)
                failure = error

    async def _launch_and_wait(self, job: Job, plan: Plan | None) -> tuple[RunEnd, Accepted]:
        """Wait for the end of a run. Launches it first if there is a plan, or if no gateway has launched it."""
        if plan is None:
            if await self._files.was_changed(job):
                await self._engine.cancel(job.id)
            try:
                end = await self._engine.wait(job.id)
            except LookupError:
                plan = await self._plan_again(job)
            else:
                return end, await self._read_request(job)
        self._table.keep_accepted(job.id, plan.accepted)
        await self._engine.launch(self._planner.run_spec(job, plan))
        self._table.launched(job.id)
        return await self._engine.wait(job.id), plan.accepted

    async def _plan_again(self, job: Job) -> Plan:
        """Plan a job that another gateway accepted, or that was queued, and that no gateway has launched."""
        accepted = await self._read_request(job)
        adopted = self._table.is_adopted(job.id)
        plan = await self._replanner.plan(job, accepted, judged_elsewhere=adopted)
        await to_thread.run_sync(self._files.keep_request, job.id, plan.accepted)
        return plan

    async def _read_request(self, job: Job) -> Accepted:
        """Return the accepted request: from the table if this gateway launched it, else from the job's folder."""
        return self._table.accepted(job.id) or await self._files.accepted_request(job)

    async def _conclude(self, job: Job, end: RunEnd | Exception, accepted: Accepted | None) -> Completion:
        earlier = await self._annotator.earlier_turns(job, accepted)
        output = self._table.take_output(job.id)
        return await to_thread.run_sync(
            self._concluder.complete, job, end, accepted, earlier, output, limiter=self._threads
        )

    async def _store_end(self, job: Job, completion: Completion) -> Job | None:
        """Store the final state; try again until the store takes it. Returns None if another gateway has ended the job."""
        delay = 0.1
        while True:
            try:
                completion = await self._concluder.without_foreign_session(completion)
                is_ours = await self._store.finish_job(
                    completion.job, owner=self._owner, record=completion.record, counts=completion.counts
                )
                break
            except (StoreUnavailable, OSError) as error:
                log.warning("the end of %s could not be stored yet: %s", job.id, error)
                await anyio.sleep(delay)
                delay = min(delay * 2, 5.0)
        if not is_ours:
            return None
        await self._concluder.forget_missing_session(completion.job)
        self._observers.job_changed(completion.job)
        self._observers.turn_recorded(completion.record)
        return completion.job


def _is_passing(error: Exception) -> bool:
    """Return whether the error is a temporary shortage on the machine, which means nothing about the run."""
    return getattr(error, "errno", None) in _PASSING or "start new thread" in str(error)
