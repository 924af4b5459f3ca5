"""Turns to judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from llm_gateway import CacheAccount, JobId, Posture, Record, RunFacts, SessionId, Usage

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
FACTS = {"tools": "t1", "options": "o1", "program": "p1", "marked": True}
_numbers = count(1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def turn(
    read: int | None = 0, written: int | None = 0, *, fresh: int = 10, when: float = 0.0, **changes: Any
) -> Record:
    """A turn of one request and one second, in the conversation gw-1."""
    held = None if read is None else read + (written or 0)
    record = Record(
        job_id=JobId(f"job-{next(_numbers)}"),
        session_id=SessionId("gw-1"),
        principal="local",
        correlation_id="c",
        provider="claude",
        model="m-1",
        posture=Posture.PROMPTED,
        usage=Usage(input_tokens=fresh, output_tokens=5, cache_read_tokens=read, cache_creation_tokens=written),
        cache=CacheAccount(read_tokens=read, written_tokens=written, ttl_s=300.0, held_tokens=held),
        run=RunFacts(cli_version="1.0", requests=1),
        started_at=at(when),
        ended_at=at(when + 1),
        duration_s=1.0,
        outcome="completed",
        kept={"cache": FACTS},
    )
    return replace(record, **changes)


def beginning(record: Record, tokens: int, name: str, task_bytes: int = 40) -> Record:
    """The same turn as the first of another conversation, with a prefix of so many tokens."""
    size = tokens * 4
    return replace(
        record, session_id=SessionId(name), prefix_sha256="ab" * 32, prefix_bytes=size, prompt_bytes=size + task_bytes
    )
