"""What this gateway knows of jobs while they last: which are its own, how far they are, and who waits for a change. No I/O.

Used from the event loop alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

import anyio

from llm_gateway.jobs.output import LiveOutput
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job
from llm_gateway.model.request import Accepted

#: How many of its own jobs a gateway remembers, so that notifications about them are no news.
_REMEMBERED = 4096


class Phase(Enum):
    """How far a job of this gateway is."""

    QUEUED = "queued"  #: it waits for a place
    LAUNCHING = "launching"  #: it has a place; its process may not be there yet
    RUNNING = "running"  #: its process is there


@dataclass(slots=True, eq=False)
class Change:
    """What those who wait for a job wait for. Happens once."""

    event: anyio.Event = field(default_factory=anyio.Event)
    ended: Job | None = None  #: the job in its final state, if this gateway ended it


@dataclass(slots=True, eq=False)
class Entry:
    """One job."""

    phase: Phase | None = None  #: None: another gateway's job, which somebody here watches or waits for
    adopted: bool = False  #: taken over from a dead gateway
    accepted: Accepted | None = None  #: as it was launched from here
    output: LiveOutput | None = None  #: opened by whoever has looked at it
    change: Change | None = None  #: there is one while somebody waits

    @property
    def is_needed(self) -> bool:
        """Whether anything is kept here."""
        return self.phase is not None or self.output is not None or self.change is not None


class JobTable:
    """The jobs of one gateway."""

    def __init__(self) -> None:
        self._entries: dict[JobId, Entry] = {}
        self._own: deque[JobId] = deque(maxlen=_REMEMBERED)
        self._settled = anyio.Event()  # set whenever fewer jobs may wait for a place or a process

    def queue(self, job_id: JobId) -> None:
        """This gateway's job waits for a place."""
        self._entry(job_id).phase = Phase.QUEUED

    def adopt(self, job_id: JobId) -> None:
        """This gateway has taken a job over from a dead one."""
        self._entry(job_id).adopted = True

    def launch(self, job_id: JobId) -> bool:
        """This gateway's job has a place and is going to be launched; False: it was already."""
        entry = self._entry(job_id)
        if entry.phase in (Phase.LAUNCHING, Phase.RUNNING):
            return False
        entry.phase = Phase.LAUNCHING
        self._own.append(job_id)
        return True

    def launched(self, job_id: JobId) -> None:
        """Its process is there, or whoever starts the gateway next will take care of it."""
        entry = self._entries.get(job_id)
        if entry is not None and entry.phase is Phase.LAUNCHING:
            entry.phase = Phase.RUNNING
        self.notify(job_id)

    def end(self, job_id: JobId, ended: Job | None) -> None:
        """This gateway is done with a job; None: another one has ended it."""
        entry = self._entries.pop(job_id, None)
        self._happen(entry, ended)

    def drop(self, job_id: JobId) -> None:
        """A job ended elsewhere: nobody waits for it any more. One that is followed here stays until its task ends."""
        entry = self._entries.get(job_id)
        if entry is not None:
            entry.output = None
            if entry.phase is Phase.QUEUED:
                entry.phase = None
        self.notify(job_id)

    def notify(self, job_id: JobId) -> None:
        """Have all who wait for this job look again."""
        entry = self._entries.get(job_id)
        self._happen(entry, None)
        if entry is not None and not entry.is_needed:
            del self._entries[job_id]

    def change_of(self, job_id: JobId) -> Change:
        """The next change of a job."""
        entry = self._entry(job_id)
        if entry.change is None:
            entry.change = Change()
        return entry.change

    def phase_of(self, job_id: JobId) -> Phase | None:
        """How far this gateway's own job is; None: it is not one, or is over."""
        entry = self._entries.get(job_id)
        return entry.phase if entry else None

    def is_followed(self, job_id: JobId) -> bool:
        """Whether a task of this gateway follows this job to its end."""
        return self.phase_of(job_id) in (Phase.LAUNCHING, Phase.RUNNING)

    def is_adopted(self, job_id: JobId) -> bool:
        """Whether this gateway took the job over from a dead one."""
        entry = self._entries.get(job_id)
        return entry is not None and entry.adopted

    @property
    def has_queued(self) -> bool:
        """Whether any of this gateway's jobs waits for a place."""
        return any(entry.phase is Phase.QUEUED for entry in self._entries.values())

    def accepted(self, job_id: JobId) -> Accepted | None:
        """The request of a job, if it was launched from here."""
        entry = self._entries.get(job_id)
        return entry.accepted if entry else None

    def keep_accepted(self, job_id: JobId, accepted: Accepted) -> None:
        """Keep the request of a job that is launched from here, until it ends."""
        self._entry(job_id).accepted = accepted

    def output(self, job_id: JobId) -> LiveOutput | None:
        """The output of a job, if somebody has opened it."""
        entry = self._entries.get(job_id)
        return entry.output if entry else None

    def keep_output(self, job_id: JobId, output: LiveOutput) -> LiveOutput:
        """Keep a job's output for the next who looks; gives the one that is kept, which may be an earlier one."""
        entry = self._entry(job_id)
        if entry.output is None:
            entry.output = output
        return entry.output

    def take_output(self, job_id: JobId) -> LiveOutput | None:
        """The output of a job, which is not kept any longer."""
        entry = self._entries.get(job_id)
        if entry is None:
            return None
        output, entry.output = entry.output, None
        return output

    def others(self, job_ids: Collection[str]) -> set[str]:
        """Those of the ids that this gateway has not launched."""
        return set(job_ids) - set(self._own)

    def watched(self) -> set[JobId]:
        """Jobs for which somebody here waits, or at which somebody looks, and those that wait for a place."""
        return {
            job_id
            for job_id, entry in self._entries.items()
            if entry.change is not None or entry.output is not None or entry.phase is Phase.QUEUED
        }

    async def drained(self) -> None:
        """Wait until none of this gateway's jobs waits for a place or for its process."""
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
