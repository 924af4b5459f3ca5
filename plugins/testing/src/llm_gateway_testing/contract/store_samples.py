"""Sample jobs, sessions, records and verdicts for the tests of a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from llm_gateway import (
    Cost,
    CostBasis,
    Decision,
    Job,
    JobId,
    JobState,
    Limits,
    NativeSessionId,
    Posture,
    Record,
    Reply,
    Session,
    SessionId,
    Store,
    Usage,
    Verdict,
    VerdictRecord,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
ONE, TWO = SessionId("gw-one"), SessionId("gw-two")
STATE = "the files as they are"
WIDE = Limits(running=10, per_provider=10, queued=10)

_numbers = count(1)


def at(seconds: float) -> datetime:
    """Return the time this many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_job(**changes: Any) -> Job:
    """A job that is not admitted yet."""
    job = Job(
        id=JobId(f"job-{next(_numbers):08d}"),
        provider="echo",
        state=JobState.QUEUED,
        principal="ada",
        owner="gateway-a",
        found_state=STATE,
        posture=Posture.PROMPTED,
        working_dir="/work",
        approval={"decision": "allow", "reasons": ["legacy"]},
        created_at=NOON,
    )
    return replace(job, **changes)


def a_session(name: str = "one", **changes: Any) -> Session:
    """A session without turns."""
    session = Session(
        id=SessionId(f"gw-{name}"),
        provider="echo",
        principal="ada",
        working_dir="/work",
        settings={"model": "echo-1", "addDirs": ["/more"]},
        description="über alles",
        created_at=NOON,
        last_used_at=NOON,
    )
    return replace(session, **changes)


def a_record(job: Job, **changes: Any) -> Record:
    """The record of a job's turn."""
    record = Record(
        job_id=job.id,
        session_id=job.session_id,
        principal=job.principal,
        correlation_id="trace-1",
        provider=job.provider,
        posture=job.posture,
        prefix_sha256="ab" * 32,
        prefix_bytes=12,
        usage=Usage(input_tokens=3, cache_read_tokens=0),
        cost=Cost(usd=0.25, basis=CostBasis.REPORTED),
        started_at=job.created_at,
        ended_at=job.created_at + timedelta(seconds=1.5),
        duration_s=1.5,
        outcome="completed",
    )
    return replace(record, **changes)


def a_verdict(**changes: Any) -> VerdictRecord:
    """A stored verdict."""
    verdict = Verdict(decision=Decision.DENY, policy="house", reasons=("no", "never"), posture=Posture.PLAN)
    record = VerdictRecord(
        job_id=None,
        provider="echo",
        principal="ada",
        strategy="mcp_managed",
        verdict=verdict,
        prompt_sha256="cd" * 32,
        decided_at=NOON,
    )
    return replace(record, **changes)


def ended(
    job: Job,
    state: JobState = JobState.COMPLETED,
    *,
    after_s: float = 60,
    native: str | None = None,
    left: str | None = STATE,
) -> Job:
    """The same job in a final state."""
    reply = Reply(model="echo-1", native_id=None if native is None else NativeSessionId(native))
    return replace(job, state=state, ended_at=at(after_s), reply=reply, left_state=left)


async def admit_job(store: Store, job: Job, limits: Limits = WIDE, **changes: Any) -> Job:
    """Admit a job and return the job of the admission."""
    options: dict[str, Any] = {"session": None, "dedup_window_s": 3600, "queue_if_busy": False, **changes}
    return (await store.admit(job, limits=limits, **options)).job


async def finish(store: Store, job: Job, state: JobState = JobState.COMPLETED, **how: Any) -> bool:
    """End a job as its owner."""
    return await store.finish_job(ended(job, state, **how), owner=job.owner, record=None)
