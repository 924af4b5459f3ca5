"""The store: the protocol's methods, each one call of the database.

A call that touches a few rows by index runs in the event loop's thread: it takes less time than a switch to another thread and
back, waits for no lock and syncs no file. All others run in the owner thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

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
from llm_gateway.errors import SessionNotFound
from llm_gateway_store_sqlite import admission
from llm_gateway_store_sqlite.database import Database
from llm_gateway_store_sqlite.queries import SQL, listed
from llm_gateway_store_sqlite.records import close_record, earlier, put_record, tally_from
from llm_gateway_store_sqlite.rows import (
    from_document,
    job_columns,
    job_from,
    micros,
    path_bytes,
    session_from,
    verdict_columns,
)
from llm_gateway_store_sqlite.thread import OwnerThread

T = TypeVar("T")
Counts = Mapping[tuple[str, str], Mapping[str, int]]

_EVERYTHING, _UNFINISHED, _OF_SESSION = "1", "ended_at IS NULL", "session_id = :session_id"
_LIST_JOBS = {scope: SQL["list_jobs"].replace("{scope}", scope) for scope in (_EVERYTHING, _UNFINISHED, _OF_SESSION)}
_LIST_RECORDS = {scope: SQL["list_records"].replace("{scope}", scope) for scope in (_EVERYTHING, _OF_SESSION)}


class SqliteStore:
    """Keeps everything in one SQLite file, which any number of gateways on this machine may share."""

    def __init__(self, path: str, *, busy_timeout_s: float = 5.0) -> None:
        self.path = path
        self.url = f"sqlite://{path}"
        self._database = Database(path, busy_timeout_s)
        self._thread = OwnerThread("llm-gateway-store")

    async def aopen(self) -> None:
        if self._thread.running:
            return
        self._thread.start()
        try:
            await self._thread.run(self._database.open)
        except BaseException:
            await self._thread.aclose(self._database.close)
            raise

    async def aclose(self) -> None:
        await self._thread.aclose(self._database.close)

    # ----------------------------------------------------------------------------------------------------------- jobs

    async def admit(
        self, job: Job, *, session: Session | None, limits: Limits, dedup_window_s: float, queue_if_busy: bool
    ) -> Admission:
        return await self._write(
            lambda connection: admission.admit(
                connection,
                job,
                session=session,
                limits=limits,
                dedup_window_s=dedup_window_s,
                queue_if_busy=queue_if_busy,
            )
        )

    async def find_duplicate(
        self, principal: str, dedup_key: str, found_state: str | None, window_s: float, now: datetime
    ) -> Job | None:
        if window_s <= 0:
            return None
        query = admission.duplicate_query(principal, dedup_key, found_state, window_s, now)
        return await self._one(job_from, "find_duplicate", **query)

    async def claim(self, owner: str, limits: Limits, now: datetime) -> Sequence[Job]:
        def work(waits: bool) -> Sequence[Job]:
            if not self._database.read(SQL["has_queued"], {"owner": owner}, waits=waits):
                return []
            return self._database.write(lambda connection: admission.claim(connection, owner, limits, now), waits=waits)

        return await self._short(work)

    async def finish_job(self, job: Job, *, owner: str, record: Record | None, counts: Counts | None = None) -> bool:
        if not job.state.ended or job.ended_at is None:
            raise ValueError(f"{job.id} has not ended: {job.state.value}, ended_at {job.ended_at}")

        def work(connection: sqlite3.Connection) -> bool:
            columns = job_columns(job) | {"owner": owner}
            if not connection.execute(SQL["finish_job"], columns).rowcount:
                return False
            connection.execute(SQL["touch_session"], {"job_id": job.id, "used_at": columns["ended_at"]})
            if job.reply is not None and job.reply.native_id is not None:
                connection.execute(SQL["bind_native_id"], {"job_id": job.id, "native_id": job.reply.native_id})
            if record is not None:
                put_record(connection, record, counts)
            return True

        is_large = bool(record is not None and record.words) or bool(job.reply and job.reply.structured is not None)
        return await (self._write_large(work) if is_large else self._write(work))

    async def cancel_queued(self, job_id: JobId, now: datetime) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            if not connection.execute(SQL["cancel_queued"], {"id": job_id, "now": micros(now)}).rowcount:
                return False
            close_record(connection, job_id, now)
            return True

        return await self._write(work)

    async def take_over(self, job_id: JobId, *, from_owner: str, to_owner: str) -> bool:
        return await self._changed("take_over", id=job_id, from_owner=from_owner, to_owner=to_owner)

    async def mark_fetched(self, job_id: JobId, now: datetime) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(SQL["mark_fetched"], {"id": job_id, "now": micros(now)}).rowcount:
                connection.execute(SQL["count_turn"], {"id": job_id})

        await self._write(work)

    async def get_job(self, job_id: JobId) -> Job | None:
        return await self._one(job_from, "get_job", id=job_id)

    async def list_jobs(
        self,
        *,
        principal: str | None = None,
        states: Collection[JobState] | None = None,
        provider: str | None = None,
        session_id: SessionId | None = None,
        limit: int = 100,
    ) -> Sequence[Job]:
        scope = _EVERYTHING
        if session_id is not None:
            scope = _OF_SESSION
        elif states is not None and not any(state.ended for state in states):
            scope = _UNFINISHED
        query = {
            "principal": principal,
            "states": listed(None if states is None else [state.value for state in states]),
            "provider": provider,
            "session_id": session_id,
            "limit": limit,
        }
        return await self._all(job_from, _LIST_JOBS[scope], query)

    async def unfinished(self) -> Sequence[Job]:
        return await self._all(job_from, SQL["unfinished"], {})

    async def owners(self) -> Collection[str]:
        rows = await self._short(lambda waits: self._database.read(SQL["owners"], {}, waits=waits))
        return [owner for (owner,) in rows]

    async def queue_place(self, job_id: JobId) -> int | None:
        rows = await self._short(lambda waits: self._database.read(SQL["queue_place"], {"id": job_id}, waits=waits))
        place: int = rows[0][0]
        return place or None

    async def prune(self, before: datetime, limit: int = 500) -> Sequence[JobId]:
        def work(connection: sqlite3.Connection) -> Sequence[JobId]:
            step = {"before": micros(before), "limit": limit}
            old = connection.execute(SQL["old_jobs"], step).fetchall()
            connection.executemany(SQL["delete_job"], [{"seq": seq} for seq, _ in old])
            connection.execute(SQL["prune_records"], step)
            connection.execute(SQL["prune_tallies"], {**step, "limit": 4 * limit})  # a turn can leave as many
            connection.execute(SQL["prune_verdicts"], step)
            return [JobId(job_id) for _, job_id in old]

        return await self._write_large(work)

    # ------------------------------------------------------------------------------------------------------- sessions

    async def get_session(self, session_id: SessionId) -> Session | None:
        return await self._one(session_from, "get_session", id=session_id)

    async def find_session(self, provider: str, native_id: NativeSessionId, principal: str | None) -> Session | None:
        if principal is None:
            return await self._one(session_from, "find_any_session", provider=provider, native_id=native_id)
        return await self._one(
            session_from, "find_session", provider=provider, native_id=native_id, principal=principal
        )

    async def list_sessions(
        self, *, principal: str, provider: str | None = None, working_dir: str | None = None, limit: int = 100
    ) -> Sequence[Session]:
        folder = None if working_dir is None else path_bytes(working_dir)
        query = {"principal": principal, "provider": provider, "working_dir": folder, "limit": limit}
        return await self._all(session_from, SQL["list_sessions"], query)

    async def put_session(self, session: Session) -> None:
        await self._write(lambda connection: admission.put_session(connection, session))

    async def delete_session(self, session_id: SessionId) -> bool:
        return await self._changed("delete_session", id=session_id)

    async def active_session(self, provider: str, working_dir: str, principal: str) -> Session | None:
        return await self._one(
            session_from,
            "active_session",
            provider=provider,
            working_dir=path_bytes(working_dir),
            principal=principal,
        )

    async def set_active(self, provider: str, working_dir: str, principal: str, session_id: SessionId | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            key = {"provider": provider, "working_dir": path_bytes(working_dir), "principal": principal}
            if session_id is None:
                connection.execute(SQL["clear_active"], key)
            elif connection.execute(SQL["has_session"], {"id": session_id}).fetchone():
                connection.execute(SQL["set_active"], key | {"session_id": session_id})
            else:
                raise SessionNotFound

        await self._write(work)

    # -------------------------------------------------------------------------------------------- records and verdicts

    async def add_verdict(self, record: VerdictRecord) -> None:
        await self._write(
            lambda connection: connection.execute(SQL["insert_verdict"], verdict_columns(record)).rowcount
        )

    async def list_verdicts(
        self, *, principal: str, provider: str | None = None, limit: int = 50
    ) -> Sequence[VerdictRecord]:
        query = {"principal": principal, "provider": provider, "limit": limit}
        return await self._all(lambda row: from_document(VerdictRecord, row[0]), SQL["list_verdicts"], query)

    async def list_records(
        self, *, principal: str | None = None, session_id: SessionId | None = None, limit: int = 100
    ) -> Sequence[Record]:
        scope = _EVERYTHING if session_id is None else _OF_SESSION
        query = {"principal": principal, "session_id": session_id, "limit": limit}
        return await self._all(lambda row: from_document(Record, row[0]), _LIST_RECORDS[scope], query)

    async def record_words(self, job_id: JobId) -> Mapping[str, str]:
        """The texts that were stored with a job's record; empty: none. Not part of `Store`: `llm-gateway log` uses it if it is there."""
        found = await self._all(lambda row: row[0], SQL["get_words"], {"id": job_id})
        words: Mapping[str, str] = json.loads(found[0]) if found and found[0] else {}
        return words

    async def earlier(self, record: Record, limit: int = 8) -> Sequence[Record]:
        return await self._short(lambda waits: earlier(self._database, record, limit, waits=waits))

    async def tallies(self, *, principal: str, scope: str, first: str, last: str | None = None) -> Sequence[Tally]:
        query = {"principal": principal, "scope": scope, "first": first, "last": first if last is None else last}
        return await self._all(tally_from, SQL["list_tallies"], query)

    async def health(self) -> Mapping[str, Any]:
        def work() -> Mapping[str, Any]:
            counts = dict.fromkeys((state.value for state in JobState), 0)
            otherwise = dict(self._database.read(SQL["count_not_completed"], {}))
            ((ended,),) = self._database.read(SQL["count_ended"], {})
            counts |= dict(self._database.read(SQL["count_unfinished"], {})) | otherwise
            counts[JobState.COMPLETED.value] = ended - sum(otherwise.values())
            return {"url": self.url, "schema": self._database.schema, "jobs": counts}

        return await self._thread.run(work)

    # -------------------------------------------------------------------------------------------------- here or there

    async def _short(self, call: Callable[[bool], T]) -> T:
        """Run a call that touches a few rows. It is told whether it may wait."""
        return await self._thread.run_short(lambda: call(False), lambda: call(True))

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._short(lambda waits: self._database.write(work, waits=waits))

    async def _write_large(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._thread.run(lambda: self._database.write(work))

    async def _changed(self, query: str, **parameters: Any) -> bool:
        return await self._write(lambda connection: connection.execute(SQL[query], parameters).rowcount > 0)

    async def _one(self, read: Callable[[Any], T], query: str, **parameters: Any) -> T | None:
        rows = await self._short(lambda waits: self._database.read(SQL[query], parameters, waits=waits))
        return read(rows[0]) if rows else None

    async def _all(self, read: Callable[[Any], T], sql: str, parameters: Mapping[str, Any]) -> list[T]:
        return await self._thread.run(lambda: [read(row) for row in self._database.read(sql, parameters)])
