"""Who gets in, who waits, who is next: decided inside one write transaction, so that all gateways of a home agree."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Any

from llm_gateway import Admission, Job, JobState, Limits, Session
from llm_gateway.errors import Saturated, SessionBusy
from llm_gateway_store_sqlite.queries import SQL
from llm_gateway_store_sqlite.records import begun
from llm_gateway_store_sqlite.rows import job_columns, job_from, micros, record_columns, session_columns, session_from


def duplicate_query(
    principal: str, dedup_key: str, found_state: str | None, window_s: float, now: datetime
) -> dict[str, object]:
    """Parameters of `find_duplicate`."""
    window = timedelta(seconds=window_s)
    return {
        "principal": principal,
        "dedup_key": dedup_key,
        "found_state": found_state,
        "after": micros(now - window),
        "until": micros(now + window),
    }


def admit(
    connection: sqlite3.Connection,
    job: Job,
    *,
    session: Session | None,
    limits: Limits,
    dedup_window_s: float,
    queue_if_busy: bool,
) -> Admission:
    """`Store.admit`, inside a transaction."""
    if job.dedup_key is not None and dedup_window_s > 0:
        query = duplicate_query(job.principal, job.dedup_key, job.found_state, dedup_window_s, job.created_at)
        if (row := connection.execute(SQL["find_duplicate"], query).fetchone()) is not None:
            return Admission(job=job_from(row), deduplicated=True)

    place = {"provider": job.provider, "session_id": job.session_id}
    running, of_provider, queued, someone_waits, busy = connection.execute(SQL["places"], place).fetchone()
    if busy and not queue_if_busy:
        raise SessionBusy
    if not (busy or someone_waits) and running < limits.running and of_provider < limits.of(job.provider):
        job = replace(job, state=JobState.RUNNING, started_at=job.created_at)
    elif queued < limits.queued:
        job = replace(job, state=JobState.QUEUED, started_at=None)
    else:
        raise Saturated
    if session is not None and not busy and not _has_begun(connection, session):
        put_session(connection, session)
    connection.execute(SQL["insert_job"], job_columns(job))
    connection.execute(SQL["put_record"], record_columns(begun(job)))
    return Admission(job=job)


def _has_begun(connection: sqlite3.Connection, session: Session) -> bool:
    row = connection.execute(SQL["get_session"], {"id": session.id}).fetchone()
    there = row and session_from(row)
    return bool(there and (there.native_id or there.settings))


def put_session(connection: sqlite3.Connection, session: Session) -> None:
    """Insert or replace a session; a native id that another session holds is refused, not stolen."""
    columns = session_columns(session)
    if session.native_id is not None and connection.execute(SQL["native_id_taken"], columns).fetchone():
        raise SessionBusy(
            "Another request has just taken up this conversation.",
            recovery="Send the request again: it finds the session that now holds this conversation.",
        )
    connection.execute(SQL["put_session"], columns)


def claim(connection: sqlite3.Connection, owner: str, limits: Limits, now: datetime) -> Sequence[Job]:
    """`Store.claim`, inside a transaction."""
    running: Counter[str] = Counter()
    open_sessions: set[str] = set()  #: sessions with an earlier unfinished job
    for provider, session_id in connection.execute(SQL["running"]):
        running[provider] += 1
        open_sessions.add(session_id)
    chosen: list[int] = []
    queues = _Queues(connection)
    while running.total() < limits.running and (found := queues.next()) is not None:
        seq, provider, session_id, job_owner = found
        if running[provider] >= limits.of(provider):
            queues.leave(provider)
        elif session_id is not None and session_id in open_sessions:
            pass  # it waits for an earlier turn
        elif job_owner != owner:  # that gateway starts it
            queues.leave(provider)
        else:
            chosen.append(seq)
            running[provider] += 1
        open_sessions.add(session_id)
    connection.executemany(SQL["start_job"], [{"seq": seq, "now": micros(now)} for seq in chosen])
    return [job_from(connection.execute(SQL["job_by_seq"], {"seq": seq}).fetchone()) for seq in chosen]


class _Queues:
    """The queued jobs of all providers in the order of admission, read one by one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._rows: dict[str, Iterator[Any]] = {}
        self._heads: list[tuple[int, str, str | None, str]] = []
        for (provider,) in connection.execute(SQL["queued_providers"]).fetchall():
            self._rows[provider] = iter(connection.execute(SQL["queue"], {"provider": provider}))
            self._advance(provider)

    def next(self) -> tuple[int, str, str | None, str] | None:
        """Return the oldest job that is left: seq, provider, session id, owner."""
        if not self._heads:
            return None
        found = heappop(self._heads)
        self._advance(found[1])
        return found

    def leave(self, provider: str) -> None:
        """Leave out the other jobs of a provider."""
        self._rows.pop(provider, None)
        self._heads = [head for head in self._heads if head[1] != provider]
        heapify(self._heads)

    def _advance(self, provider: str) -> None:
        rows = self._rows.get(provider)
        row = next(rows, None) if rows is not None else None
        if row is not None:
            seq, session_id, owner = row
            heappush(self._heads, (seq, provider, session_id, owner))
