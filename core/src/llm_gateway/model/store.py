"""What a store must do. Two gateways may use one store at once: every change of state is compare-and-set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from llm_gateway.model.ids import JobId, NativeSessionId, SessionId
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.record import Counts, Record, Tally, VerdictRecord
from llm_gateway.model.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may happen at once in one home."""

    running: int
    per_provider: int
    queued: int
    own: Mapping[str, int] = field(default_factory=dict)  #: providers with a limit of their own

    def of(self, provider: str) -> int:
        """How many runs of this provider there may be."""
        return self.own.get(provider, self.per_provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What became of a job that asked to be let in."""

    job: Job  #: the caller's own job, or the earlier one that answers the same request
    deduplicated: bool = False
    approval: Mapping[str, Any] = field(default_factory=dict)  #: of this call, where an earlier job answers it


class Store(Protocol):
    """Keeps jobs, sessions, records and verdicts. Every method may raise StoreUnavailable."""

    async def aopen(self) -> None:
        """Open, and bring the schema up to date."""

    async def aclose(self) -> None:
        """Close. Idempotent."""

    async def admit(
        self, job: Job, *, session: Session | None, limits: Limits, dedup_window_s: float, queue_if_busy: bool
    ) -> Admission:
        """Let a job in, atomically across processes.

        In this order: a job of the same principal and `dedup_key` (not None) is returned instead (`deduplicated`), if it is
        queued or running, or if it was created less than `dedup_window_s` ago, is completed, and its `left_state` (not None)
        is this one's `found_state`. With a window of 0 none is. Another unfinished job of the same
        `session_id`: raises SessionBusy, or with `queue_if_busy` the new one is queued behind it. A free place (fewer
        than `limits.running` running in all and `limits.of(provider)` of this provider, and nobody of this provider
        waits already, other than for its own session): stored as running, `started_at` = `created_at`. Else, fewer than `limits.queued` waiting: stored
        as queued. Else raises Saturated and stores nothing.

        With the job its record is begun (`started`).
        `session` is stored in the same transaction when it is not there yet, or when the one that is there was made before its
        first turn: it has neither native id nor settings, and no unfinished job. If another session holds its native id by now: raises SessionBusy.
        """

    async def find_duplicate(
        self, principal: str, dedup_key: str, found_state: str | None, window_s: float, now: datetime
    ) -> Job | None:
        """The job that `admit` would return as the duplicate, without letting anything in; the youngest of several."""

    async def claim(self, owner: str, limits: Limits, now: datetime) -> Sequence[Job]:
        """Move this owner's queued jobs to running (`started_at` = `now`), oldest first, as far as there is room.

        A provider without room does not hold up another; a job waits for every earlier unfinished job of its session.
        Places are shared by all owners, and a job never overtakes another owner's older job of the same provider, unless
        that one waits for its session. Oldest means admitted first.
        """

    async def finish_job(self, job: Job, *, owner: str, record: Record | None, counts: Counts | None = None) -> bool:
        """Write a final state if the job is still unfinished *and* this owner's; False (nothing written) if not.

        With it, in one transaction: the record, in place of the one that was begun; what it adds to the tallies of its
        principal, provider and model; the session's `native_id` (`job.reply.native_id`, when the session has
        none yet and no other session has it, whoever's it is) and `last_used_at`. What changed in the store since the
        caller's copy was made (owner, `started_at` when the copy has none) is kept.
        """

    async def cancel_queued(self, job_id: JobId, now: datetime) -> bool:
        """queued -> canceled, whoever owns it, and its record with it; False if it was not queued."""

    async def take_over(self, job_id: JobId, *, from_owner: str, to_owner: str) -> bool:
        """Change an unfinished job's owner, if it is still `from_owner`."""

    async def mark_fetched(self, job_id: JobId, now: datetime) -> None:
        """Note the first hand-out of a final reply; the first time, a completed job's session gains a turn."""

    async def get_job(self, job_id: JobId) -> Job | None:
        """One job, whoever's; None if there is none."""

    async def list_jobs(
        self,
        *,
        principal: str | None = None,
        states: Collection[JobState] | None = None,
        provider: str | None = None,
        session_id: SessionId | None = None,
        limit: int = 100,
    ) -> Sequence[Job]:
        """Jobs, newest first, in the order in which they were let in: a clock may jump."""

    async def unfinished(self) -> Sequence[Job]:
        """Every queued or running job of every owner, oldest first."""

    async def prune(self, before: datetime, limit: int = 500) -> Sequence[JobId]:
        """Delete at most `limit` final jobs that ended before this, as many old records and verdicts, four times as many tallies.

        Gives the jobs' ids. A record goes when its turn is over, a tally when nothing was added to it since.
        """

    async def get_session(self, session_id: SessionId) -> Session | None:
        """One session, whoever's."""

    async def find_session(self, provider: str, native_id: NativeSessionId, principal: str | None) -> Session | None:
        """The session of this principal that is bound to this native id; None: the first of whoever's."""

    async def list_sessions(
        self, *, principal: str, provider: str | None = None, working_dir: str | None = None, limit: int = 100
    ) -> Sequence[Session]:
        """Sessions, last used first."""

    async def put_session(self, session: Session) -> None:
        """Insert or replace. Raises SessionBusy when another session holds the native id."""

    async def delete_session(self, session_id: SessionId) -> bool:
        """Forget a session (and that it was active); False if there was none."""

    async def active_session(self, provider: str, working_dir: str, principal: str) -> Session | None:
        """The session that requests without session arguments continue."""

    async def set_active(self, provider: str, working_dir: str, principal: str, session_id: SessionId | None) -> None:
        """Make it the active one; None: no active one. Raises SessionNotFound."""

    async def add_verdict(self, record: VerdictRecord) -> None:
        """Keep a verdict."""

    async def list_verdicts(
        self, *, principal: str, provider: str | None = None, limit: int = 50
    ) -> Sequence[VerdictRecord]:
        """Verdicts, newest first."""

    async def list_records(
        self, *, principal: str | None = None, session_id: SessionId | None = None, limit: int = 100
    ) -> Sequence[Record]:
        """Records of turns that are over, newest first; without their words."""

    async def earlier(self, record: Record, limit: int = 8) -> Sequence[Record]:
        """Records of other turns that are over, of the same principal and provider, newest first.

        At most `limit` of the same conversation, then at most as many others with the same prefix.
        """

    async def tallies(self, *, principal: str, scope: str, first: str, last: str | None = None) -> Sequence[Tally]:
        """What was added up under the keys from `first` to `last` (None: under `first` alone), by key."""

    async def health(self) -> Mapping[str, Any]:
        """`{url, schema, jobs: {state: count}}`, for people."""
