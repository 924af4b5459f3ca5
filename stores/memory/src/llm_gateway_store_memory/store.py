"""A store without a file. No method awaits anything, so on one event loop each is a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from llm_gateway import (
    Admission,
    Job,
    JobId,
    JobState,
    Limits,
    NativeSessionId,
    Record,
    Session,
    SessionId,
    Tally,
    VerdictRecord,
)
from llm_gateway.errors import Saturated, SessionBusy, SessionNotFound, StoreUnavailable

Counts = Mapping[tuple[str, str], Mapping[str, int]]


class MemoryStore:
    """Keeps everything in dictionaries, in the order in which it came, until the process ends."""

    def __init__(self) -> None:
        self._jobs: dict[JobId, Job] = {}
        self._sessions: dict[SessionId, Session] = {}
        self._active: dict[tuple[str, str, str], SessionId] = {}
        self._records: dict[JobId, Record] = {}
        self._tallies: dict[tuple[str, str, str, str, str], Tally] = {}
        self._verdicts: list[VerdictRecord] = []

    async def aopen(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Keeps everything: a second `aopen` finds it again, as with a file."""

    # ----------------------------------------------------------------------------------------------------------- jobs

    async def admit(
        self, job: Job, *, session: Session | None, limits: Limits, dedup_window_s: float, queue_if_busy: bool
    ) -> Admission:
        if job.dedup_key is not None:
            twin = await self.find_duplicate(
                job.principal, job.dedup_key, job.found_state, dedup_window_s, job.created_at
            )
            if twin is not None:
                return Admission(job=twin, deduplicated=True)
        open_jobs = list(self._unfinished())
        busy = job.session_id is not None and any(other.session_id == job.session_id for other in open_jobs)
        if busy and not queue_if_busy:
            raise SessionBusy
        running = [other.provider for other in open_jobs if other.state is JobState.RUNNING]
        waits = any(other.provider == job.provider for other in _waiting_for_a_place(open_jobs))
        if (
            not busy
            and not waits
            and len(running) < limits.running
            and running.count(job.provider) < limits.of(job.provider)
        ):
            job = replace(job, state=JobState.RUNNING, started_at=job.created_at)
        elif len(open_jobs) - len(running) < limits.queued:
            job = replace(job, state=JobState.QUEUED, started_at=None)
        else:
            raise Saturated
        if job.id in self._jobs:
            raise StoreUnavailable(f"There is a job {job.id} already.")
        if session is not None and not busy:
            there = self._sessions.get(session.id)
            if there is None or not (there.native_id or there.settings):
                await self.put_session(session)
        self._jobs[job.id] = job
        self._records[job.id] = _begun(job)
        return Admission(job=job)

    async def find_duplicate(
        self, principal: str, dedup_key: str, found_state: str | None, window_s: float, now: datetime
    ) -> Job | None:
        window = timedelta(seconds=window_s)

        def answers(job: Job) -> bool:
            if not job.state.ended:
                return True
            left_so = job.left_state is not None and job.left_state == found_state
            return job.state is JobState.COMPLETED and left_so and now - window < job.created_at < now + window

        twins = [
            job
            for job in reversed(self._jobs.values())
            if (job.principal, job.dedup_key) == (principal, dedup_key) and answers(job)
        ]
        return max(twins, key=lambda job: job.created_at) if twins and window_s > 0 else None

    async def claim(self, owner: str, limits: Limits, now: datetime) -> Sequence[Job]:
        open_jobs = list(self._unfinished())
        running = Counter(job.provider for job in open_jobs if job.state is JobState.RUNNING)
        closed: set[str] = set()  #: providers of which another owner's older job is next
        claimed = []
        for job in _waiting_for_a_place(open_jobs):
            if sum(running.values()) >= limits.running:
                break
            if job.provider in closed or running[job.provider] >= limits.of(job.provider):
                continue
            if job.owner != owner:
                closed.add(job.provider)
                continue
            self._jobs[job.id] = replace(job, state=JobState.RUNNING, started_at=now)
            claimed.append(self._jobs[job.id])
            running[job.provider] += 1
        return claimed

    async def finish_job(self, job: Job, *, owner: str, record: Record | None, counts: Counts | None = None) -> bool:
        if not job.state.ended or job.ended_at is None:
            raise ValueError(f"{job.id} has not ended: {job.state.value}, ended_at {job.ended_at}")
        kept = self._jobs.get(job.id)
        if kept is None or kept.state.ended or kept.owner != owner:
            return False
        self._jobs[job.id] = replace(
            job,
            provider=kept.provider,
            principal=kept.principal,
            owner=kept.owner,
            dedup_key=kept.dedup_key,
            session_id=kept.session_id,
            created_at=kept.created_at,
            started_at=job.started_at or kept.started_at,
            fetched_at=kept.fetched_at,
        )
        session = None if kept.session_id is None else self._sessions.get(kept.session_id)
        if session is not None:
            native_id = session.native_id
            told = None if job.reply is None else job.reply.native_id
            if native_id is None and told is not None and not self._holder(session.provider, told, None):
                native_id = told
            last = max(session.last_used_at, job.ended_at)
            self._sessions[session.id] = replace(session, native_id=native_id, last_used_at=last)
        if record is not None:
            self._records[record.job_id] = record
            self._count(record, counts or {})
        return True

    def _count(self, record: Record, counts: Counts) -> None:
        now, model = record.ended_at or record.started_at, record.model or ""
        for (scope, key), added in counts.items():
            place = (record.principal, scope, key, record.provider, model)
            tally = self._tallies.get(place) or Tally(
                key=key, provider=record.provider, model=model, first_at=now, last_at=now, counts={}
            )
            names = {*tally.counts, *added}
            self._tallies[place] = replace(
                tally,
                first_at=min(tally.first_at, now),
                last_at=max(tally.last_at, now),
                counts={name: tally.counts.get(name, 0) + added.get(name, 0) for name in names},
            )

    async def cancel_queued(self, job_id: JobId, now: datetime) -> bool:
        job = self._jobs.get(job_id)
        if job is None or job.state is not JobState.QUEUED:
            return False
        self._jobs[job_id] = replace(job, state=JobState.CANCELED, ended_at=now)
        if (record := self._records.get(job_id)) is not None:
            self._records[job_id] = replace(record, outcome="canceled", ended_at=now)
        return True

    async def take_over(self, job_id: JobId, *, from_owner: str, to_owner: str) -> bool:
        job = self._jobs.get(job_id)
        if job is None or job.state.ended or job.owner != from_owner:
            return False
        self._jobs[job_id] = replace(job, owner=to_owner)
        return True

    async def mark_fetched(self, job_id: JobId, now: datetime) -> None:
        job = self._jobs.get(job_id)
        if job is None or not job.state.ended or job.fetched_at is not None:
            return
        self._jobs[job_id] = replace(job, fetched_at=now)
        session = None if job.session_id is None else self._sessions.get(job.session_id)
        if session is not None and job.state is JobState.COMPLETED:
            self._sessions[session.id] = replace(session, turns=session.turns + 1)

    async def get_job(self, job_id: JobId) -> Job | None:
        return self._jobs.get(job_id)

    async def list_jobs(
        self,
        *,
        principal: str | None = None,
        states: Collection[JobState] | None = None,
        provider: str | None = None,
        session_id: SessionId | None = None,
        limit: int = 100,
    ) -> Sequence[Job]:
        found = [
            job
            for job in reversed(self._jobs.values())
            if (principal is None or job.principal == principal)
            and (states is None or job.state in states)
            and (provider is None or job.provider == provider)
            and (session_id is None or job.session_id == session_id)
        ]
        return found[:limit]

    async def unfinished(self) -> Sequence[Job]:
        return list(self._unfinished())

    async def owners(self) -> Collection[str]:
        return {job.owner for job in self._unfinished()}

    async def queue_place(self, job_id: JobId) -> int | None:
        queued = [job.id for job in self._unfinished() if job.state is JobState.QUEUED]
        return queued.index(job_id) + 1 if job_id in queued else None

    async def prune(self, before: datetime, limit: int = 500) -> Sequence[JobId]:
        ended = [(job.ended_at, job.id) for job in self._jobs.values() if job.ended_at is not None]
        old = [job_id for ended_at, job_id in sorted(ended) if ended_at < before][:limit]
        for job_id in old:
            del self._jobs[job_id]
        over = [record for record in self._records.values() if record.ended_at and record.started_at < before]
        for record in sorted(over, key=lambda record: record.started_at)[:limit]:
            del self._records[record.job_id]
        left = [place for place, tally in self._tallies.items() if tally.last_at < before]
        for place in sorted(left, key=lambda place: self._tallies[place].last_at)[: 4 * limit]:
            del self._tallies[place]
        for verdict in sorted(self._verdicts, key=lambda verdict: verdict.decided_at)[:limit]:
            if verdict.decided_at < before:
                self._verdicts.remove(verdict)
        return old

    # ------------------------------------------------------------------------------------------------------- sessions

    async def get_session(self, session_id: SessionId) -> Session | None:
        return self._sessions.get(session_id)

    async def find_session(self, provider: str, native_id: NativeSessionId, principal: str | None) -> Session | None:
        return self._holder(provider, native_id, principal)

    async def list_sessions(
        self, *, principal: str, provider: str | None = None, working_dir: str | None = None, limit: int = 100
    ) -> Sequence[Session]:
        found = [
            session
            for session in self._sessions.values()
            if session.principal == principal
            and (provider is None or session.provider == provider)
            and (working_dir is None or session.working_dir == working_dir)
        ]
        return sorted(found, key=lambda session: (session.last_used_at, session.created_at), reverse=True)[:limit]

    async def put_session(self, session: Session) -> None:
        if session.native_id is not None:
            holder = self._holder(session.provider, session.native_id, session.principal)
            if holder is not None and holder.id != session.id:
                raise SessionBusy(
                    "Another request has just taken up this conversation.",
                    recovery="Send the request again: it finds the session that now holds this conversation.",
                )
        self._sessions[session.id] = session

    async def delete_session(self, session_id: SessionId) -> bool:
        self._active = {key: active for key, active in self._active.items() if active != session_id}
        return self._sessions.pop(session_id, None) is not None

    async def active_session(self, provider: str, working_dir: str, principal: str) -> Session | None:
        active = self._active.get((provider, working_dir, principal))
        return None if active is None else self._sessions.get(active)

    async def set_active(self, provider: str, working_dir: str, principal: str, session_id: SessionId | None) -> None:
        if session_id is None:
            self._active.pop((provider, working_dir, principal), None)
        elif session_id in self._sessions:
            self._active[provider, working_dir, principal] = session_id
        else:
            raise SessionNotFound

    # -------------------------------------------------------------------------------------------- records and verdicts

    async def add_verdict(self, record: VerdictRecord) -> None:
        self._verdicts.append(record)

    async def list_verdicts(
        self, *, principal: str, provider: str | None = None, limit: int = 50
    ) -> Sequence[VerdictRecord]:
        found = [
            verdict
            for verdict in reversed(self._verdicts)
            if verdict.principal == principal and (provider is None or verdict.provider == provider)
        ]
        return sorted(found, key=lambda verdict: verdict.decided_at, reverse=True)[:limit]

    async def list_records(
        self, *, principal: str | None = None, session_id: SessionId | None = None, limit: int = 100
    ) -> Sequence[Record]:
        found = [
            replace(record, words={})
            for record in reversed(self._records.values())
            if record.ended_at
            and (principal is None or record.principal == principal)
            and (session_id is None or record.session_id == session_id)
        ]
        return sorted(found, key=lambda record: record.started_at, reverse=True)[:limit]

    async def record_words(self, job_id: JobId) -> Mapping[str, str]:
        """The texts that were stored with a job's record; empty: none. Not part of `Store`."""
        record = self._records.get(job_id)
        return record.words if record else {}

    async def earlier(self, record: Record, limit: int = 8) -> Sequence[Record]:
        mine = [
            other
            for other in await self.list_records(principal=record.principal, limit=len(self._records))
            if other.provider == record.provider and other.job_id != record.job_id
        ]
        of_session = [other for other in mine if record.session_id and other.session_id == record.session_id]
        of_prefix = [other for other in mine if record.prefix_sha256 and other.prefix_sha256 == record.prefix_sha256]
        found = (*of_session[:limit], *of_prefix[:limit])
        return list({other.job_id: other for other in found}.values())

    async def tallies(self, *, principal: str, scope: str, first: str, last: str | None = None) -> Sequence[Tally]:
        last = first if last is None else last
        return [
            tally
            for (owner, kind, key, _, _), tally in sorted(self._tallies.items(), key=lambda item: item[0])
            if (owner, kind) == (principal, scope) and first <= key <= last
        ]

    async def health(self) -> Mapping[str, Any]:
        counts = Counter(job.state for job in self._jobs.values())
        return {"url": "memory:", "schema": 0, "jobs": {state.value: counts[state] for state in JobState}}

    def _unfinished(self) -> Iterator[Job]:
        return (job for job in self._jobs.values() if not job.state.ended)

    def _holder(self, provider: str, native_id: NativeSessionId, principal: str | None) -> Session | None:
        for session in sorted(self._sessions.values(), key=lambda session: session.principal):
            known = (session.provider, session.native_id) == (provider, native_id)
            if known and principal in (None, session.principal):
                return session
        return None


def _begun(job: Job) -> Record:
    """The record of a turn that has just been let in."""
    return Record(
        job_id=job.id,
        session_id=job.session_id,
        principal=job.principal,
        correlation_id=job.correlation_id,
        provider=job.provider,
        model=job.model,
        posture=job.posture,
        started_at=job.created_at,
        outcome="started",
    )


def _waiting_for_a_place(open_jobs: Iterable[Job]) -> Iterator[Job]:
    """Queued jobs that wait for nothing else, oldest first: those behind another job of their session are left out."""
    sessions: set[SessionId] = set()
    for job in open_jobs:
        if job.state is JobState.QUEUED and job.session_id not in sessions:
            yield job
        if job.session_id is not None:
            sessions.add(job.session_id)
