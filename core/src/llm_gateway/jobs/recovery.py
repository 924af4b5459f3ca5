"""Handle the jobs of other gateways: notice when they end, and take over the jobs of dead gateways."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace

import anyio
from anyio import to_thread

from llm_gateway.errors import StoreUnavailable
from llm_gateway.jobs.queue import Start
from llm_gateway.jobs.table import JobTable
from llm_gateway.model.engine import Peers
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.store import Store
from llm_gateway.owned_processes import end_abandoned

log = logging.getLogger("llm_gateway.jobs")

#: How often a gateway that receives nothing searches for orphans, in seconds. A gateway that is killed between accepting and
#: launching has started no shim, so no process notifies the others.
_SWEEP_S = 5.0


class OrphanRecovery:
    """Receives the peers' notifications, searches periodically, and takes over the jobs of dead gateways."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        peers: Peers,
        providers: Collection[str],
        table: JobTable,
        start: Start,
        start_ready: Callable[[], Awaitable[None]],
    ) -> None:
        self._owner = owner
        self._store = store
        self._peers = peers
        self._providers = providers
        self._table = table
        self._start = start
        self._start_ready = start_ready

    async def listen(self) -> None:
        """End what killed gateways ran for themselves; then receive notifications and search for orphans until the gateway closes."""
        with suppress(RuntimeError):  # no thread is free: the next gateway does it
            await to_thread.run_sync(end_abandoned)
        while True:
            received: set[str] = set()
            with anyio.move_on_after(_SWEEP_S):
                received = await self._peers.receive()
            others = self._table.others(received)
            changed = {job_id for job_id in map(JobId, others) if self._table.is_watched(job_id)}
            try:
                for job_id in self._table.watched() if "" in received else changed:
                    job = await self._store.get_job(job_id)
                    if job is not None and job.state.ended:
                        self._table.drop(job.id)
                if others or not received:  # `run_job` follows the gateway's own jobs
                    await self._start_ready()
                    await self.recover_orphans()
            except (StoreUnavailable, OSError, RuntimeError) as error:
                log.warning("could not search for the jobs of dead gateways: %s", error)

    async def recover_orphans(self) -> None:
        """Take over all jobs whose gateway is dead. Only their owners are read, as long as all are alive."""
        for owner in await self._store.owners():
            if owner != self._owner and not await to_thread.run_sync(self._peers.is_alive, owner):
                await self.recover(*await self._store.unfinished())
                return

    async def recover(self, *jobs: Job) -> None:
        """Take over the given jobs whose gateway is dead."""
        alive = {self._owner: True}
        for job in jobs:
            if job.owner not in alive:
                alive[job.owner] = await to_thread.run_sync(self._peers.is_alive, job.owner)
            if not alive[job.owner]:
                await self._adopt(job)
        if not all(alive.values()):
            await self._start_ready()

    async def _adopt(self, job: Job) -> None:
        if job.provider not in self._providers:
            return  # its plugin is not installed here; another gateway may have it
        with anyio.CancelScope(shield=True):
            if not await self._store.take_over(job.id, from_owner=job.owner, to_owner=self._owner):
                return
            log.info("adopted %s from %s", job.id, job.owner)
            self._table.adopt(job.id)
            if job.state is JobState.QUEUED:
                self._table.queue(job.id)
            else:
                self._start(replace(job, owner=self._owner), None)
                self._table.launched(job.id)  # in most cases the process exists already
