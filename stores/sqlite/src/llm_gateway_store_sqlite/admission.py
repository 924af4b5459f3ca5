"""Who gets in, who waits, who is next: decided inside one write transaction, so that all gateways of a home agree."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

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
    room = connection.execute(SQL["waiting_room"]).fetchall()
    running = Counter(provider for _, state, provider, _, _ in room if state == "running")
    open_sessions: set[str] = set()  #: sessions with an earlier unfinished job
    closed: set[str] = set()  #: providers of which another owner's older job is next
    claimed: list[Job] = []
    for seq, state, provider, session_id, job_owner in room:
        waits_for_session = session_id in open_sessions
        if session_id is not None:
            open_sessions.add(session_id)
        if state == "running" or waits_for_session or provider in closed:
            continue
        if sum(running.values()) >= limits.running:
            break
        if running[provider] >= limits.of(provider):
            continue
        if job_owner != owner:
            closed.add(provider)
            continue
        connection.execute(SQL["start_job"], {"seq": seq, "now": micros(now)})
        claimed.append(job_from(connection.execute(SQL["job_by_seq"], {"seq": seq}).fetchone()))
        running[provider] += 1
    return claimed
