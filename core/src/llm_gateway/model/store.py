"""What a store must do. Two gateways may use one store at once: every change of state is compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from llm_gateway.model.ids import JobId, NativeSessionId, SessionId
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.record import Counts, Record, Tally, VerdictRecord
from llm_gateway.model.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many runs and queued jobs one home may have at once."""

    running: int  #: runs in all
    per_provider: int  #: runs of one provider
    queued: int  #: waiting jobs
    own: Mapping[str, int] = field(default_factory=dict)  #: provider -> its own limit, in place of `per_provider`

    def of(self, provider: str) -> int:
        """How many runs of this provider there may be."""
        return self.own.get(provider, self.per_provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The result of `Store.admit`."""

    job: Job  #: the caller's own job, or the earlier one that answers the same request
    deduplicated: bool = False  #: whether `job` is an earlier one

    approval: Mapping[str, Any] = field(default_factory=dict)  #: the verdict on this call, if an earlier job answers it


class StoreReader(Protocol):
    """Reads a store without an event loop, for a short command. A method may raise anything: the command then opens a gateway.

    A distribution offers one with an entry point of the group `llm_gateway.store_reader`. Its name is the scheme of the
    store's URL. It names a function `open_reader(url, home) -> StoreReader | None`. None: this URL needs an open gateway, for
    example because the schema is older. Its module imports
    neither pydantic, dataclasses nor an event loop: each takes longer than the reading.
    """

    def list_jobs(
        self,
        *,
        principal: str = "local",
        states: Collection[str] | None = None,
        provider: str | None = None,
        limit: int = 100,
    ) -> Sequence[Mapping[str, Any]]:
        """The jobs that `Store.list_jobs` gives, newest first, each as `job_view` shows it. `listed_job` makes that view.

        :param states: values of JobState; None: all.
        """

    def unfinished_owners(self) -> Collection[str]:
        """The owners of all unfinished jobs, of all principals."""

    def close(self) -> None:
        """Close. Idempotent."""


#: open_reader(): the store for reading; None: the command needs an open gateway
OpenReader = Callable[[], StoreReader | None]


class Store(Protocol):
    """Keeps jobs, sessions, records and verdicts. Every method may raise StoreUnavailable."""

    async def aopen(self) -> None:
        """Open, and migrate the schema to the present version."""

    async def aclose(self) -> None:
        """Close. Idempotent."""

    async def admit(
        self, job: Job, *, session: Session | None, limits: Limits, dedup_window_s: float, queue_if_busy: bool
    ) -> Admission:
        """Admit a job, atomically across processes.


        In this order: a job of the same principal and `dedup_key` (not None) is returned instead (`deduplicated`), if it is
        queued or running, or if it was created less than `dedup_window_s` ago, is completed, and its `left_state` (not None)
        is this one's `found_state`. With a window of 0 none is. Another unfinished job of the same
        `session_id`: raises SessionBusy, or with `queue_if_busy` the new one is queued behind it. A free place (fewer
        than `limits.running` running in all and `limits.of(provider)` of this provider, and nobody of this provider
        is queued already, other than for its own session): stored as running, `started_at` = `created_at`. Else, fewer than `limits.queued` waiting: stored
        as queued. Else raises Saturated and stores nothing.

        The job's record is created with it (`started`).
        `session` is stored in the same transaction when it is not there yet, or when the one that is there was made before its
        first turn: it has neither native id nor settings, and no unfinished job. If another session holds its native id by now: raises SessionBusy.
        """

    async def find_duplicate(
        self, principal: str, dedup_key: str, found_state: str | None, window_s: float, now: datetime
    ) -> Job | None:
        """The job that `admit` would return as the duplicate, without admitting anything; the newest of several."""

    async def claim(self, owner: str, limits: Limits, now: datetime) -> Sequence[Job]:
        """Move this owner's queued jobs to running (`started_at` = `now`), oldest first, while there are free places.

        A provider without a free place does not delay another; a job waits for every earlier unfinished job of its session. All owners
        share the places, and a job never overtakes another owner's older job of the same provider, unless that one waits for
        its session. Oldest means admitted first.
        """

    async def finish_job(self, job: Job, *, owner: str, record: Record | None, counts: Counts | None = None) -> bool:
        """Write a final state if the job is still unfinished *and* this owner's; False (nothing written) if not.

        In the same transaction: the record, which replaces the started one; what it adds to the tallies of its
        principal, provider and model; the session's `native_id` (`job.reply.native_id`, when the session has
        none yet and no other session, of any principal, has it) and `last_used_at`. Values in the store that are newer than the caller's copy (owner, `started_at` if the copy has none) are kept.
        """

    async def cancel_queued(self, job_id: JobId, now: datetime) -> bool:
        """Change queued to canceled, whichever gateway owns the job, with its record; False if it was not queued."""

    async def take_over(self, job_id: JobId, *, from_owner: str, to_owner: str) -> bool:
        """Change an unfinished job's owner, if it is still `from_owner`; False if not."""

    async def mark_fetched(self, job_id: JobId, now: datetime) -> None:
        """Record that a final reply was delivered; the first time, the turn count of a completed job's session increases."""

    async def get_job(self, job_id: JobId) -> Job | None:
        """One job, of any principal; None if there is none."""

    async def list_jobs(
        self,
        *,
        principal: str | None = None,
        states: Collection[JobState] | None = None,
        provider: str | None = None,
        session_id: SessionId | None = None,
        limit: int = 100,
    ) -> Sequence[Job]:
        """Jobs, newest first, in the order of admission, because a clock may jump."""

    async def unfinished(self) -> Sequence[Job]:
        """Every queued or running job of every owner, oldest first."""

    async def owners(self) -> Collection[str]:
        """The owners of all queued or running jobs, each once. Called often: reads no whole job."""

    async def queue_place(self, job_id: JobId) -> int | None:
        """How many queued jobs there are up to this one, of every owner; None if it is not queued. Reads no whole job."""

    async def prune(self, before: datetime, limit: int = 500) -> Sequence[JobId]:
        """Delete at most `limit` final jobs that ended before this, as many old records and verdicts, four times as many tallies.

        Returns the jobs' ids. A record is deleted only if its turn has ended, a tally only if nothing was added to it since.
        """

    async def get_session(self, session_id: SessionId) -> Session | None:
        """One session, of any principal; None if there is none."""

    async def find_session(self, provider: str, native_id: NativeSessionId, principal: str | None) -> Session | None:
        """The session of this principal with this native id; with `principal` None the first of any principal."""

    async def list_sessions(
        self, *, principal: str, provider: str | None = None, working_dir: str | None = None, limit: int = 100
    ) -> Sequence[Session]:
        """Sessions, most recently used first."""

    async def put_session(self, session: Session) -> None:
        """Insert or replace. Raises SessionBusy when another session holds the native id."""

    async def delete_session(self, session_id: SessionId) -> bool:
        """Delete a session (and that it was active); False if there was none."""

    async def active_session(self, provider: str, working_dir: str, principal: str) -> Session | None:
        """The session that requests without session parameters continue; None if there is none."""

    async def set_active(self, provider: str, working_dir: str, principal: str, session_id: SessionId | None) -> None:
        """Make this session the active one; None: no active one. Raises SessionNotFound."""

    async def add_verdict(self, record: VerdictRecord) -> None:
        """Store a verdict."""

    async def list_verdicts(
        self, *, principal: str, provider: str | None = None, limit: int = 50
    ) -> Sequence[VerdictRecord]:
        """Verdicts, newest first."""

    async def list_records(
        self, *, principal: str | None = None, session_id: SessionId | None = None, limit: int = 100
    ) -> Sequence[Record]:
        """Records of ended turns, newest first; without `Record.words`."""

    async def earlier(self, record: Record, limit: int = 8) -> Sequence[Record]:
        """Records of other ended turns, of the same principal and provider, newest first.

        At most `limit` of the same conversation, then at most as many others with the same prefix.
        """

    async def tallies(self, *, principal: str, scope: str, first: str, last: str | None = None) -> Sequence[Tally]:
        """The totals under the keys from `first` to `last` (None: only `first`), in order of key."""

    async def health(self) -> Mapping[str, Any]:
        """`{url, schema, jobs: {state: count}}`, for people."""
