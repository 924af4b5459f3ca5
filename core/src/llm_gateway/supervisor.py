"""Manages jobs: lets them in, follows their runs, concludes them, and adopts what a dead gateway left behind.

A job is looked after by one gateway, its owner. Everything that ends a job goes through the store's compare-and-set on state
and owner, so two gateways can never both conclude it. What happens when someone dies:

- This gateway: its runs go on under their shims. The next gateway of this home finds jobs whose owner's life lock is free,
  takes them over and concludes the ended ones at once.
- Another gateway of this home: its shims send a notification when they end; hearing it, the living ones look for orphans.
- A job that was accepted but never started is started by whoever takes it over, from `request.json` in its folder.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from errno import EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio
from anyio import to_thread

from llm_gateway.dispatch import seal
from llm_gateway.dispatch.annotations import Earlier, annotate, earlier_turns
from llm_gateway.dispatch.conclusion import conclude, failed, open_live, own_conversation, unlearn
from llm_gateway.dispatch.planning import plan_again
from llm_gateway.dispatch.submit import Plan, run_spec
from llm_gateway.errors import GatewayError, StoreUnavailable
from llm_gateway.job_files import accepted_request, keep_reply, keep_request, was_changed
from llm_gateway.live import LiveOutput, events_of
from llm_gateway.model.ids import JobId
from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.record import Counts, Record
from llm_gateway.model.reply import Event
from llm_gateway.model.request import Accepted
from llm_gateway.model.session import Session
from llm_gateway.model.store import Admission
from llm_gateway.retention import keep_pruning

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway

log = logging.getLogger("llm_gateway.supervisor")
WoundUp = tuple[Job, Record, Counts]

#: How often a wait for another gateway's job looks for itself, in case a notification was lost.
_LOOK_AGAIN_S = 2.0
#: What a machine may be short of for a while; it says nothing of a run.
_PASSING = {EDQUOT, EMFILE, ENFILE, ENOMEM, EIO, ENOSPC, EROFS}
#: Threads that read runs to their ends, which takes seconds for long output: apart from those that answer callers.
_CONCLUDING_THREADS = 16
#: How often a gateway that hears nothing looks for orphans: who dies between accepting and launching leaves nobody to ring.
_LOOK_ROUND_S = 5.0


class Supervisor:
    """One per gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.owner = f"g{secrets.token_hex(6)}"
        self._gateway = gateway
        self._home = gateway.settings.home
        self._peers = gateway.engine.peers(self.owner)
        self._plans: dict[JobId, Plan] = {}  # of this gateway's own jobs, until they are launched
        self._queued: set[JobId] = set()  # this gateway's, waiting for a place
        self._driven: set[JobId] = set()  # this gateway's, with a place: a task follows each to its end
        self._unlaunched: set[JobId] = set()  # of those, the ones whose process may not be there yet
        self._adopted: set[JobId] = set()
        self._launched: dict[JobId, Accepted] = {}  # what this gateway has launched, until it ends
        self._lives: dict[JobId, LiveOutput] = {}  # what somebody watches, or has looked at
        #: Set when a job that somebody waits for is worth a look; with it comes the job, if that has ended.
        self._stirred: dict[JobId, tuple[anyio.Event, dict[JobId, Job]]] = {}
        self._known: deque[JobId] = deque(maxlen=4096)  # jobs whose notifications are no news to this gateway
        self._idle = anyio.Event()
        self._concluding = anyio.CapacityLimiter(_CONCLUDING_THREADS)

    async def run(self) -> None:
        """Begin: take the life lock, adopt orphans, listen. Runs on in the gateway's tasks."""
        self._peers.register()
        tasks = self._gateway.tasks
        await self.look_after(*await self._gateway.store.unfinished())
        tasks.start_soon(self._listen)
        tasks.start_soon(keep_pruning, self._gateway)

    def close(self) -> None:
        """Let go of everything; the runs go on."""
        self._peers.unregister()

    def adopted(self, job_id: JobId) -> bool:
        """Whether this gateway took the job over from a dead one."""
        return job_id in self._adopted

    def folder(self, job_id: JobId) -> Path:
        """Where a job's files lie."""
        return self._home / "jobs" / job_id

    # ------------------------------------------------------------------------------------------------------- letting in

    async def admit(
        self, job: Job, plan: Plan, *, session: Session | None, queue_if_busy: bool, anew: bool
    ) -> Admission:
        """Store an accepted request, and start it if there is room; `anew`: reuse nothing. Raises SessionBusy or Saturated."""
        window_s = 0.0 if anew else self._gateway.settings.dedup_window_s
        with anyio.CancelScope(shield=True):  # a caller who goes away must not leave a stored job that nobody starts
            admission = await self._admit(job, plan, session, queue_if_busy, window_s)
        return admission  # noqa: RET504 - outside, because a scope may swallow a cancellation

    async def _admit(self, job: Job, plan: Plan, session: Session | None, queue: bool, window_s: float) -> Admission:
        gateway = self._gateway
        try:
            job = await to_thread.run_sync(self._prepare, job, plan, await earlier_turns(gateway, job, plan.accepted))
            self._plans[job.id] = plan
            admission = await gateway.store.admit(
                job, session=session, limits=gateway.limits, dedup_window_s=window_s, queue_if_busy=queue
            )
        except (GatewayError, OSError):
            await self._discard(job.id)
            raise
        if admission.deduplicated:
            await self._discard(job.id)
            return admission
        gateway.host.job_changed(admission.job)
        if admission.job.state is JobState.RUNNING:
            self._start(admission.job)
        else:
            self._queued.add(job.id)
            await self._pump()  # a place may have become free meanwhile
        return admission

    def _prepare(self, job: Job, plan: Plan, earlier: Earlier) -> Job:
        """Lay down a job's job files, and have it say what its caller should know before it runs. Blocking."""
        digests = seal.digests_of(keep_request(self.folder(job.id), plan.accepted))
        told = (*plan.invocation.warnings, *annotate(self._gateway, job, plan.accepted, earlier)[1])
        notices = tuple({"code": one.code, "message": one.message, **one.details} for one in told)
        return replace(job, notices=notices, request_digests=digests)

    async def _discard(self, job_id: JobId) -> None:
        self._plans.pop(job_id, None)
        await to_thread.run_sync(self._gateway.engine.forget, job_id)

    def _start(self, job: Job) -> None:
        if job.id not in self._driven:
            self._driven.add(job.id)
            self._unlaunched.add(job.id)
            self._known.append(job.id)
            self._gateway.tasks.start_soon(self._drive, job)

    async def _pump(self, after_s: float = 0.0) -> None:
        """Start what waits, as far as there is room."""
        await anyio.sleep(after_s)
        if not self._queued:
            return
        with anyio.CancelScope(shield=True):
            try:
                claimed = await self._gateway.store.claim(self.owner, self._gateway.limits, datetime.now(timezone.utc))
            except (StoreUnavailable, OSError) as error:  # what waits must not wait for the next notification
                log.warning("nothing could be started: %s", error)
                self._gateway.tasks.start_soon(self._pump, _LOOK_AGAIN_S)
                return
            for job in claimed:
                self._queued.discard(job.id)
                self._plans.pop(job.id, None)  # what it was planned on (its conversation) may have changed since
                self._gateway.host.job_changed(job)
                self._start(job)
            if claimed:  # another gateway's job may have waited behind these
                await to_thread.run_sync(self._peers.notify, claimed[-1].id)

    async def drained(self) -> None:
        """Wait until none of this gateway's jobs waits for a place or for its process."""
        while self._queued or self._unlaunched:
            self._idle = anyio.Event()
            await self._idle.wait()

    # ---------------------------------------------------------------------------------------------------- following a run

    async def _drive(self, job: Job) -> None:
        accepted, turn, won = None, None, None
        try:
            while turn is None:
                try:
                    end, accepted = await self._follow(job)
                    turn = await self._wound_up(job, end, accepted)
                except Exception as error:  # noqa: PERF203  one job's trouble must not become every job's
                    # Nor must the machine's become the job's.
                    if getattr(error, "errno", None) in _PASSING or "start new thread" in str(error):
                        log.warning("%s cannot be looked after yet: %s", job.id, error)
                        self._settle_launch(job.id)  # or will be, by the next gateway: who leaves need not wait for it
                        await anyio.sleep(_LOOK_AGAIN_S)
                        continue
                    if not isinstance(error, GatewayError):
                        log.exception("%s could not be looked after", job.id)
                    turn = await self._wound_up(job, error, accepted)
            won = await self._finish(job, *turn)
        finally:
            for known in (self._driven, self._unlaunched, self._adopted):  # it is launched, or never will be
                known.discard(job.id)
            self._lives.pop(job.id, None)
            self._launched.pop(job.id, None)
            self._wake(job.id, won)
        with suppress(RuntimeError):  # without a free thread: who waits here or elsewhere looks again after a while
            await to_thread.run_sync(self._peers.notify, job.id)
            await self._pump()
        self._idle.set()

    async def _follow(self, job: Job) -> tuple[RunEnd, Accepted]:
        """Wait for the end of a run; before that start it, if it is ours to start or nobody has."""
        engine, plan = self._gateway.engine, self._plans.pop(job.id, None)
        if plan is None:
            if await was_changed(self._gateway, job):
                await engine.cancel(job.id)
            try:
                end = await engine.wait(job.id)
            except LookupError:
                plan = await self._plan_again(job)
            else:
                return end, await self._read_request(job)
        self._launched[job.id] = plan.accepted
        await engine.launch(run_spec(self._gateway, job, plan))
        self._settle_launch(job.id)
        return await engine.wait(job.id), plan.accepted

    async def _plan_again(self, job: Job) -> Plan:
        """Plan a job that was accepted elsewhere, or long ago, and that nobody has started."""
        accepted = await self._read_request(job)
        plan = await plan_again(self._gateway, job, accepted, judged_elsewhere=job.id in self._adopted)
        await to_thread.run_sync(keep_request, self.folder(job.id), plan.accepted)
        return plan

    async def _read_request(self, job: Job) -> Accepted:
        """What was accepted: as it was launched from here, or as it lies in the job's folder and the store knows it."""
        return self._launched.get(job.id) or await accepted_request(self._gateway, job)

    def _settle_launch(self, job_id: JobId) -> None:
        self._unlaunched.discard(job_id)
        self._wake(job_id)

    async def _wound_up(self, job: Job, end: RunEnd | Exception, accepted: Accepted | None) -> WoundUp:
        earlier = await earlier_turns(self._gateway, job, accepted)
        return await to_thread.run_sync(self._wind_up, job, end, accepted, earlier, limiter=self._concluding)

    def _wind_up(self, job: Job, end: RunEnd | Exception, accepted: Accepted | None, earlier: Earlier) -> WoundUp:
        """Conclude a job, with what there is to annotate, and write its reply. Blocking."""
        gateway, text = self._gateway, ""
        if accepted is None or isinstance(end, Exception):
            concluded = failed(job, cast("Exception", end))
        else:
            live = self._lives.pop(job.id, None) or open_live(gateway, job, accepted)
            concluded, text = conclude(gateway, job, end, accepted, live)
        record, notices, counts = annotate(gateway, concluded, accepted, earlier, text)
        if reply := concluded.reply:
            concluded = replace(concluded, reply=replace(reply, notices=(*reply.notices, *notices)))
        keep_reply(self.folder(job.id), text)
        return concluded, record, counts

    async def _finish(self, job: Job, concluded: Job, record: Record, counts: Counts) -> Job | None:
        """Write the final state, as often as it takes; None: somebody else has ended the job."""
        delay = 0.1
        while True:
            try:
                concluded, record = await own_conversation(self._gateway, concluded, record)
                won = await self._gateway.store.finish_job(concluded, owner=self.owner, record=record, counts=counts)
                break
            except (StoreUnavailable, OSError) as error:
                log.warning("the end of %s could not be stored yet: %s", job.id, error)
                await anyio.sleep(delay)
                delay = min(delay * 2, 5.0)
        if won:
            await unlearn(self._gateway, concluded)
            self._gateway.host.job_changed(concluded)
            self._gateway.host.turn_recorded(record)
        return concluded if won else None

    async def live(self, job: Job) -> LiveOutput:
        """The output of a running job, opened on first use."""
        if (found := self._lives.get(job.id)) is None:
            found = open_live(self._gateway, job, await self._read_request(job))
            if job.id in self._driven or job.owner != self.owner:  # it may have ended meanwhile
                found = self._lives.setdefault(job.id, found)
        return found

    async def watch(self, job: Job) -> AsyncIterator[Event]:
        """What the agent does, as it does it, until its run is over."""
        while job.state is JobState.QUEUED or job.id in self._unlaunched:
            begun, _ = self._stirred.setdefault(job.id, (anyio.Event(), {}))
            with anyio.move_on_after(None if job.id in self._queued | self._unlaunched else _LOOK_AGAIN_S):
                await begun.wait()
            job = await self._gateway.store.get_job(job.id) or job
        async for event in events_of(await self.live(job), self._gateway.engine.changes(job.id)):
            yield event

    # ------------------------------------------------------------------------------------------------------------ callers

    async def wait(self, job_ids: Collection[JobId], *, until_all: bool, timeout_s: float | None) -> dict[JobId, Job]:
        """Wait until one or all of these jobs have ended, or the time is over; answers the ended ones."""
        done, left, found = anyio.Event(), set(job_ids), dict[JobId, Job]()

        async def one(job_id: JobId) -> None:
            while not await self._look_or_wait(job_id, found):
                pass
            left.discard(job_id)
            if not left or not until_all:
                done.set()

        with anyio.move_on_after(timeout_s):
            async with anyio.create_task_group() as tasks:
                for job_id in left.copy():
                    tasks.start_soon(one, job_id)
                await done.wait()
                tasks.cancel_scope.cancel()
        return found

    async def _look_or_wait(self, job_id: JobId, found: dict[JobId, Job]) -> bool:
        """Look whether a job has ended; if not, wait until it has or another look is worth it. False: look again."""
        event, ended = self._stirred.setdefault(job_id, (anyio.Event(), {}))
        try:
            if job_id not in self._driven:  # else there is nothing to see before it stirs
                job = await self._gateway.store.get_job(job_id)
                if job is None or job.state.ended:
                    self._forget_waiting(job_id)
                    found |= {job_id: job} if job else {}
                    return True
                await self.look_after(job)
        except (StoreUnavailable, OSError) as error:
            log.warning("could not look at %s: %s", job_id, error)
        with anyio.move_on_after(None if job_id in self._driven | self._queued else _LOOK_AGAIN_S):
            await event.wait()
        found |= ended
        return bool(ended)

    async def cancel(self, job: Job) -> None:
        """End a job, whoever looks after it, and wait (a little) until it has ended."""
        if job.state is JobState.QUEUED and await self._gateway.store.cancel_queued(job.id, datetime.now(timezone.utc)):
            self._forget_waiting(job.id)
            await to_thread.run_sync(self._peers.notify, job.id)
            return
        await self._gateway.engine.cancel(job.id)
        await self.look_after(job)

    # ------------------------------------------------------------------------------------------------- other gateways

    async def _listen(self) -> None:
        while True:
            heard: set[str] = set()
            with anyio.move_on_after(_LOOK_ROUND_S):
                heard = await self._peers.receive()
            strange = heard - set(self._known)
            watched = {*self._stirred, *self._queued, *self._lives}  # here somebody waits for it, or looks at it
            try:
                for job_id in watched if "" in heard else watched & strange:
                    if (job := await self._gateway.store.get_job(job_id)) and job.state.ended:
                        self._forget_waiting(job_id)
                await self._pump()
                if strange or not heard:
                    await self.look_after(*await self._gateway.store.unfinished())
            except (StoreUnavailable, OSError, RuntimeError) as error:
                log.warning("could not look after the home: %s", error)

    def _forget_waiting(self, job_id: JobId) -> None:
        self._queued.discard(job_id)
        self._plans.pop(job_id, None)
        self._lives.pop(job_id, None)
        self._wake(job_id)

    def _wake(self, job_id: JobId, ended: Job | None = None) -> None:
        """Have all who wait for this job, or for nothing to wait any more, look again, or hand them the ended job."""
        self._idle.set()
        event, found = self._stirred.pop(job_id, (anyio.Event(), {}))
        found |= {job_id: ended} if ended else {}
        event.set()

    async def look_after(self, *jobs: Job) -> None:
        """Take over those jobs whose gateway is dead."""
        alive = {self.owner: True}
        for job in jobs:
            if job.owner not in alive:
                alive[job.owner] = await to_thread.run_sync(self._peers.is_alive, job.owner)
            if not alive[job.owner]:
                await self._adopt(job)
        if not all(alive.values()):
            await self._pump()

    async def _adopt(self, job: Job) -> None:
        if job.provider not in self._gateway.providers:
            return  # its plugin is gone from this environment; another gateway may have it
        with anyio.CancelScope(shield=True):
            if not await self._gateway.store.take_over(job.id, from_owner=job.owner, to_owner=self.owner):
                return
            self._adopted.add(job.id)
            log.info("adopted %s from %s", job.id, job.owner)
            if job.state is JobState.QUEUED:
                self._queued.add(job.id)
            else:
                self._start(replace(job, owner=self.owner))
                self._settle_launch(job.id)  # it runs already, as a rule
