"""Wait for jobs, and read the events and the output of their runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

import anyio

from llm_gateway.errors import StoreUnavailable
from llm_gateway.jobs.job_files import JobFiles
from llm_gateway.jobs.output import LiveOutput, events_of
from llm_gateway.jobs.recovery import OrphanRecovery
from llm_gateway.jobs.table import JobTable, Phase
from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.reply import Event
from llm_gateway.model.store import Store

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost

log = logging.getLogger("llm_gateway.jobs")

#: How often a wait for another gateway's job reads the store, in seconds, in case a notification was lost.
LOOK_AGAIN_S = 2.0


class JobWaiter:
    """Waits for jobs of any gateway."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        engine: Engine,
        host: PluginHost,
        files: JobFiles,
        table: JobTable,
        recovery: OrphanRecovery,
    ) -> None:
        self._owner = owner
        self._store = store
        self._engine = engine
        self._host = host
        self._files = files
        self._table = table
        self._recovery = recovery

    async def wait(self, job_ids: Collection[JobId], *, until_all: bool, timeout_s: float | None) -> dict[JobId, Job]:
        """Wait until one or all of these jobs have ended, or the time is over. Returns the ended jobs by id."""
        done, left, found = anyio.Event(), set(job_ids), dict[JobId, Job]()

        async def wait_for(job_id: JobId) -> None:
            while not await self._look_or_wait(job_id, found):
                pass
            left.discard(job_id)
            if not left or not until_all:
                done.set()

        with anyio.move_on_after(timeout_s):
            async with anyio.create_task_group() as tasks:
                for job_id in left.copy():
                    tasks.start_soon(wait_for, job_id)
                await done.wait()
                tasks.cancel_scope.cancel()
        return found

    async def _look_or_wait(self, job_id: JobId, found: dict[JobId, Job]) -> bool:
        """Check whether a job has ended; if not, wait for its next change. Returns False if the caller must check again."""
        change = self._table.change_of(job_id)
        try:
            if not self._table.is_followed(job_id):  # else the store has nothing new before the change
                job = await self._store.get_job(job_id)
                if job is None or job.state.ended:
                    self._table.drop(job_id)
                    if job is not None:
                        found[job_id] = job
                    return True
                await self._recovery.recover(job)
        except (StoreUnavailable, OSError) as error:
            log.warning("the state of %s could not be read: %s", job_id, error)
        is_own = self._table.phase_of(job_id) is not None
        with anyio.move_on_after(None if is_own else LOOK_AGAIN_S):
            await change.event.wait()
        if change.ended is None:
            return False
        found[job_id] = change.ended
        return True

    async def events(self, job: Job) -> AsyncIterator[Event]:
        """Yield the agent's events as they happen, until the run is over."""
        while job.state is JobState.QUEUED or self._table.phase_of(job.id) is Phase.LAUNCHING:
            change = self._table.change_of(job.id)
            is_own = self._table.phase_of(job.id) in (Phase.QUEUED, Phase.LAUNCHING)
            with anyio.move_on_after(None if is_own else LOOK_AGAIN_S):
                await change.event.wait()
            job = await self._store.get_job(job.id) or job
        async for event in events_of(await self.output(job), self._engine.changes(job.id)):
            yield event

    async def output(self, job: Job) -> LiveOutput:
        """Return the output of a running job, opened on first use. Raises Interrupted if its job files cannot be read."""
        found = self._table.output(job.id)
        if found is not None:
            return found
        accepted = self._table.accepted(job.id) or await self._files.accepted_request(job)
        found = LiveOutput(self._engine, job.id, self._host.open_reader(job.provider, accepted.request))
        if self._table.is_followed(job.id) or job.owner != self._owner:  # it may have ended meanwhile
            found = self._table.keep_output(job.id, found)
        return found
