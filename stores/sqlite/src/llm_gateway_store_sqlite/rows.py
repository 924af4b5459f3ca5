"""Nouns to rows and back. A row is the JSON document and the columns; where they differ, the columns are right."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar, overload

from llm_gateway import Job, JobState, NativeSessionId, Record, Session, VerdictRecord, from_json, to_json
from llm_gateway.errors import StoreUnavailable

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

Columns = dict[str, Any]


@overload
def micros(time: datetime) -> int: ...
@overload
def micros(time: None) -> None: ...
def micros(time: datetime | None) -> int | None:
    """An aware time as whole microseconds since 1970."""
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def moment(value: int | None) -> datetime | None:
    """The time that `micros` wrote."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def path_bytes(path: str) -> bytes:
    """A path as it is kept: names that are not UTF-8 come as lone surrogates, which SQLite's text cannot hold."""
    return path.encode("utf-8", "surrogatepass")


def from_document(kind: type[T], doc: bytes) -> T:
    """Read a document; one of another version is the store's failure, not the caller's."""
    try:
        return from_json(kind, doc)
    except ValueError as error:
        raise StoreUnavailable(
            f"The store holds a {kind.__name__.lower()} that this version cannot read: {error}.",
            recovery="Upgrade llm-gateway.",
        ) from error


def job_columns(job: Job) -> Columns:
    """What is written of a job."""
    return {
        "id": job.id,
        "state": job.state.value,
        "provider": job.provider,
        "principal": job.principal,
        "owner": job.owner,
        "dedup_key": job.dedup_key,
        "session_id": job.session_id,
        "created_at": micros(job.created_at),
        "started_at": micros(job.started_at),
        "ended_at": micros(job.ended_at),
        "left_state": job.left_state,
        "doc": to_json(job),
    }


def job_from(row: Any) -> Job:
    """Read a job; the row is (doc, id, state, provider, principal, owner, dedup_key, session_id, the four times, left_state)."""
    doc, id_, state, provider, principal, owner, dedup_key, session_id, created, started, ended, fetched, left = row
    return replace(
        from_document(Job, doc),
        id=id_,
        state=JobState(state),
        provider=provider,
        principal=principal,
        owner=owner,
        dedup_key=dedup_key,
        session_id=session_id,
        created_at=_EPOCH + timedelta(microseconds=created),
        started_at=moment(started),
        ended_at=moment(ended),
        fetched_at=moment(fetched),
        left_state=left,
    )


def session_columns(session: Session) -> Columns:
    """What is written of a session."""
    return {
        "id": session.id,
        "provider": session.provider,
        "principal": session.principal,
        "working_dir": path_bytes(session.working_dir),
        "native_id": session.native_id,
        "turns": session.turns,
        "created_at": micros(session.created_at),
        "last_used_at": micros(session.last_used_at),
        "doc": to_json(session),
    }


def session_from(row: Any) -> Session:
    """Read a session; the row is (doc, native_id, turns, last_used_at), the rest never changes beside the document."""
    doc, native_id, turns, last_used = row
    return replace(
        from_document(Session, doc),
        native_id=None if native_id is None else NativeSessionId(native_id),
        turns=turns,
        last_used_at=_EPOCH + timedelta(microseconds=last_used),
    )


def record_columns(record: Record) -> Columns:
    """What is written of a flight record."""
    return {
        "job_id": record.job_id,
        "session_id": record.session_id,
        "principal": record.principal,
        "provider": record.provider,
        "prefix_sha256": record.prefix_sha256,
        "started_at": micros(record.started_at),
        "ended_at": micros(record.ended_at),
        "doc": to_json(replace(record, words={})),
        "words": json.dumps(dict(record.words)) if record.words else None,
    }


def verdict_columns(record: VerdictRecord) -> Columns:
    """What is written of a verdict."""
    return {
        "principal": record.principal,
        "provider": record.provider,
        "decided_at": micros(record.decided_at),
        "doc": to_json(record),
    }
