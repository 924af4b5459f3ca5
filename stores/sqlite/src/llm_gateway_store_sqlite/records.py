"""Flight records, and the tallies that grow with them: written inside the transaction that ends a job."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from llm_gateway import Job, JobId, Record, Tally
from llm_gateway_store_sqlite.database import Database
from llm_gateway_store_sqlite.queries import SQL
from llm_gateway_store_sqlite.rows import from_document, micros, moment, record_columns


def begun(job: Job) -> Record:
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


def put_record(
    connection: sqlite3.Connection, record: Record, counts: Mapping[tuple[str, str], Mapping[str, int]] | None
) -> None:
    """Keep how a turn ended, and add it to the tallies. Nobody else writes until the transaction ends, so sums are exact."""
    connection.execute(SQL["put_record"], record_columns(record))
    now = micros(record.ended_at or record.started_at)
    for (scope, key), added in (counts or {}).items():
        place = {"principal": record.principal, "scope": scope, "key": key}
        place |= {"provider": record.provider, "model": record.model or ""}
        known = connection.execute(SQL["get_tally"], place).fetchone()
        first_at, last_at, sums = known or (now, now, "{}")
        total = json.loads(sums)
        for name, number in added.items():
            total[name] = total.get(name, 0) + number
        times = {"first_at": min(first_at, now), "last_at": max(last_at, now)}
        text = json.dumps(total, separators=(",", ":"))
        connection.execute(SQL["put_tally"], {**place, **times, "counts": text})


def close_record(connection: sqlite3.Connection, job_id: JobId, now: datetime) -> None:
    """End the record of a job that was canceled before it ran."""
    found = connection.execute(SQL["get_record"], {"id": job_id}).fetchone()
    if found is not None:
        record = replace(from_document(Record, found[0]), outcome="canceled", ended_at=now)
        connection.execute(SQL["put_record"], record_columns(record))


def earlier(database: Database, record: Record, limit: int, *, waits: bool) -> list[Record]:
    """`Store.earlier`: by index, a few rows each."""
    found: dict[JobId, Record] = {}
    query = {"job_id": record.job_id, "principal": record.principal, "provider": record.provider, "limit": limit}
    for name, key in (("earlier_in_session", record.session_id), ("earlier_of_prefix", record.prefix_sha256)):
        if key is not None:
            for row in database.read(SQL[name], {**query, "key": key}, waits=waits):
                one = from_document(Record, row[0])
                found.setdefault(one.job_id, one)
    return list(found.values())


def tally_from(row: Any) -> Tally:
    """Read a tally."""
    key, provider, model, first_at, last_at, counts = row
    first, last = moment(first_at), moment(last_at)
    assert first is not None
    assert last is not None
    return Tally(key=key, provider=provider, model=model, first_at=first, last_at=last, counts=json.loads(counts))
