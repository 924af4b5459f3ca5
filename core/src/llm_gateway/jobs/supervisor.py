"""The jobs of one gateway, for the kernel and its plugins.

A job belongs to one gateway, its owner. Every end of a job goes through the store's compare-and-set on state and owner, so two
gateways can never both conclude it. If a gateway is killed:

- Its runs continue under their shims. The next gateway of the home finds jobs whose owner's lease is free, takes them over and
  concludes the ended ones at once.
- Shims notify every gateway of the home when they end; the gateways then search for orphans.
- If a job was accepted but not launched, the gateway that takes it over launches it from `request.json` in its folder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime, timezone

from anyio import to_thread
from anyio.abc import TaskGroup

from llm_gateway.jobs.job_files import JobFiles
from llm_gateway.jobs.limit_waits import LimitWaits
from llm_gateway.jobs.output import LiveOutput
from llm_gateway.jobs.recovery import OrphanRecovery
from llm_gateway.jobs.retention import Retention
from llm_gateway.jobs.submit import Submitter
from llm_gateway.jobs.table import JobTable
from llm_gateway.jobs.waiter import JobWaiter
from llm_gateway.model.engine import Engine, Peers
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.operation import AskHuman
from llm_gateway.model.reply import Event
from llm_gateway.model.request import SubmitRequest
from llm_gateway.model.store import Admission, Store


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """A facade over the parts. `JobsApi` documents the methods. One per gateway; `jobs/wiring.py` makes it."""

    owner: str
    store: Store
    engine: Engine
    peers: Peers
    table: JobTable
    files: JobFiles
    submitter: Submitter
    waiter: JobWaiter
    recovery: OrphanRecovery
    retention: Retention
    limit_waits: LimitWaits

    async def start(self, tasks: TaskGroup) -> None:
        """Take the lease, take over orphans, then listen and prune in the background."""
        await to_thread.run_sync(self.peers.register)
        await self.recovery.recover_orphans()
        tasks.start_soon(self.recovery.listen)
        tasks.start_soon(self.retention.keep_pruning)
        tasks.start_soon(self.limit_waits.keep_looking)

    def close(self) -> None:
        """Release the lease. The runs continue."""
        self.peers.unregister()

    async def submit(self, request: SubmitRequest, ask: AskHuman | None = None) -> Admission:
        return await self.submitter.submit(request, ask)

    async def wait(self, job_ids: Collection[JobId], *, until_all: bool, timeout_s: float | None) -> dict[JobId, Job]:
        return await self.waiter.wait(job_ids, until_all=until_all, timeout_s=timeout_s)

    async def cancel(self, job: Job) -> None:
        if job.state is JobState.QUEUED and await self.store.cancel_queued(job.id, datetime.now(timezone.utc)):
            self.table.drop(job.id)
            await to_thread.run_sync(self.peers.notify, job.id)
            return
        await self.engine.cancel(job.id)
        await self.recovery.recover(job)

    def events(self, job: Job) -> AsyncIterator[Event]:
        return self.waiter.events(job)

    async def output(self, job: Job) -> LiveOutput:
        return await self.waiter.output(job)

    async def reply(self, job: Job, offset: int = 0, most: int = -1) -> str:
        return await self.files.reply(job, offset, most)

    async def keep_only_reply(self, job: Job) -> None:
        await to_thread.run_sync(self.files.keep_only_reply, job)

    async def recover(self, *jobs: Job) -> None:
        await self.recovery.recover(*jobs)

    def adopted(self, job_id: JobId) -> bool:
        return self.table.is_adopted(job_id)

    async def drained(self) -> None:
        await self.table.drained()
