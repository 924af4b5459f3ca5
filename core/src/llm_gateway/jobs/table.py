"""The gateway's data about unfinished jobs: which are its own, their phases, and the waits for a change. No I/O.

Use it only from the event loop.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

import anyio

from llm_gateway.jobs.output import LiveOutput
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job
from llm_gateway.model.request import Accepted
from llm_gateway.planning.plan import Plan

#: How many of its own job ids a gateway keeps, to ignore notifications about them.
_REMEMBERED = 4096


class Phase(Enum):
    """The phase of a job of this gateway."""

    QUEUED = "queued"  #: the limits do not allow another run yet
    LAUNCHING = "launching"  #: it may run; its process may not exist yet
    RUNNING = "running"  #: its process exists


@dataclass(slots=True, eq=False)
class Change:
    """The next change of a job, for the tasks that wait for it. Happens once."""

    event: anyio.Event = field(default_factory=anyio.Event)
    ended: Job | None = None  #: the job in its final state, if this gateway ended it


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """The plan of a queued job."""

    plan: Plan
    request_sha256: str  #: of the accepted request in the job's folder


@dataclass(slots=True, eq=False)
class Entry:
    """One job."""

    phase: Phase | None = None  #: None: another gateway's job, which a task here watches or waits for
    adopted: bool = False  #: taken over from a dead gateway
    accepted: Accepted | None = None  #: the request, if this gateway launched the job
    plan: KeptPlan | None = None  #: of a queued job, so that it need not be planned again
    output: LiveOutput | None = None  #: opened on first use
    change: Change | None = None  #: set while a task waits

    @property
    def is_needed(self) -> bool:
        """Whether this entry holds anything."""
        return self.phase is not None or self.output is not None or self.change is not None


class JobTable:
    """The jobs of one gateway."""

    def __init__(self) -> None:
        self._entries: dict[JobId, Entry] = {}
        self._queued: set[JobId] = set()
        self._own: dict[str, None] = {}  # in the order of their launches
        self._settled = anyio.Event()  # set when fewer jobs may be queued or launching

    def queue(self, job_id: JobId, plan: KeptPlan | None = None) -> None:
        """Note that this gateway's job is queued, and keep its plan until it starts."""
        entry = self._entry(job_id)
        entry.phase, entry.plan = Phase.QUEUED, plan
        self._queued.add(job_id)

    def take_plan(self, job_id: JobId) -> KeptPlan | None:
        """Remove and return the plan of a queued job; None: none was kept."""
        entry = self._entries.get(job_id)
        if entry is None:
            return None
        plan, entry.plan = entry.plan, None
        return plan

    def adopt(self, job_id: JobId) -> None:
        """Note that this gateway has taken a job over from a dead one."""
        self._entry(job_id).adopted = True

    def launch(self, job_id: JobId) -> bool:
        """Note that this gateway launches its job. Returns False if it was launching or running already."""
        entry = self._entry(job_id)
        if entry.phase in (Phase.LAUNCHING, Phase.RUNNING):
            return False
        entry.phase = Phase.LAUNCHING
        self._queued.discard(job_id)
        if len(self._own) >= _REMEMBERED:
            del self._own[next(iter(self._own))]
        self._own[job_id] = None
        return True

    def launched(self, job_id: JobId) -> None:
        """Note that the job's process exists, or that the next gateway can take the job over."""
        entry = self._entries.get(job_id)
        if entry is not None and entry.phase is Phase.LAUNCHING:
            entry.phase = Phase.RUNNING
        self.notify(job_id)

    def end(self, job_id: JobId, ended: Job | None) -> None:
        """Remove a job that this gateway has finished.

        :param ended: the job in its final state; None: another gateway has ended it.
        """
        entry = self._entries.pop(job_id, None)
        self._queued.discard(job_id)
        self._happen(entry, ended)

    def drop(self, job_id: JobId) -> None:
        """Note that a job ended elsewhere, and end the waits for it. A job that is followed here stays until its task ends."""
        self._queued.discard(job_id)
        entry = self._entries.get(job_id)
        if entry is not None:
            entry.output = None
            if entry.phase is Phase.QUEUED:
                entry.phase, entry.plan = None, None
        self.notify(job_id)

    def notify(self, job_id: JobId) -> None:
        """Make all tasks that wait for this job check it again."""
        entry = self._entries.get(job_id)
        self._happen(entry, None)
        if entry is not None and not entry.is_needed:
            del self._entries[job_id]

    def change_of(self, job_id: JobId) -> Change:
        """Return the next change of a job."""
        entry = self._entry(job_id)
        if entry.change is None:
            entry.change = Change()
        return entry.change

    def phase_of(self, job_id: JobId) -> Phase | None:
        """Return the phase of this gateway's own job; None: it is not its own, or has ended."""
        entry = self._entries.get(job_id)
        return entry.phase if entry else None

    def is_followed(self, job_id: JobId) -> bool:
        """Return whether a task of this gateway follows this job to its end."""
        return self.phase_of(job_id) in (Phase.LAUNCHING, Phase.RUNNING)

    def running(self) -> list[JobId]:
        """Return this gateway's jobs whose process exists."""
        return [job_id for job_id, entry in self._entries.items() if entry.phase is Phase.RUNNING]

    def is_adopted(self, job_id: JobId) -> bool:
        """Return whether this gateway took the job over from a dead one."""
        entry = self._entries.get(job_id)
        return entry is not None and entry.adopted

    @property
    def has_queued(self) -> bool:
        """Whether any of this gateway's jobs is queued."""
        return bool(self._queued)

    def accepted(self, job_id: JobId) -> Accepted | None:
        """Return the request of a job, if this gateway launched it."""
        entry = self._entries.get(job_id)
        return entry.accepted if entry else None

    def keep_accepted(self, job_id: JobId, accepted: Accepted) -> None:
        """Keep the request of a job that this gateway launches, until it ends."""
        self._entry(job_id).accepted = accepted

    def output(self, job_id: JobId) -> LiveOutput | None:
        """Return the output of a job, if it has been opened."""
        entry = self._entries.get(job_id)
        return entry.output if entry else None

    def keep_output(self, job_id: JobId, output: LiveOutput) -> LiveOutput:
        """Keep a job's output for later calls. Returns the output that is kept, which may be an earlier one."""
        entry = self._entry(job_id)
        if entry.output is None:
            entry.output = output
        return entry.output

    def take_output(self, job_id: JobId) -> LiveOutput | None:
        """Remove and return the output of a job."""
        entry = self._entries.get(job_id)
        if entry is None:
            return None
        output, entry.output = entry.output, None
        return output

    def others(self, job_ids: Collection[str]) -> set[str]:
        """Return the ids that this gateway has not launched."""
        return {job_id for job_id in job_ids if job_id not in self._own}

    def watched(self) -> set[JobId]:
        """Return the jobs that are queued, that a task waits for, or whose output is open."""
        return {job_id for job_id in self._entries if self.is_watched(job_id)}

    def is_watched(self, job_id: JobId) -> bool:
        """Return whether this job is queued, a task waits for it, or its output is open."""
        entry = self._entries.get(job_id)
        if entry is None:
            return False
        return entry.change is not None or entry.output is not None or entry.phase is Phase.QUEUED

    async def drained(self) -> None:
        """Wait until none of this gateway's jobs is queued or launching."""
        while any(entry.phase in (Phase.QUEUED, Phase.LAUNCHING) for entry in self._entries.values()):
            if self._settled.is_set():
                self._settled = anyio.Event()
            await self._settled.wait()

    def _entry(self, job_id: JobId) -> Entry:
        return self._entries.setdefault(job_id, Entry())

    def _happen(self, entry: Entry | None, ended: Job | None) -> None:
        self._settled.set()
        if entry is not None and entry.change is not None:
            change, entry.change = entry.change, None
            change.ended = ended
            change.event.set()
