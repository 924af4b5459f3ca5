"""Find a caller's session, and convert sessions and turns to their wire form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from anyio import to_thread

from llm_gateway import (
    CallContext,
    Gateway,
    Job,
    JobState,
    NativeSessionId,
    Record,
    Session,
    SessionId,
    job_view,
    stamp,
    wire_object,
)
from llm_gateway.errors import SessionNotFound

_UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


async def own_session(
    gateway: Gateway, session_id: str, context: CallContext, *, provider: str | None = None
) -> Session:
    """Return a session of this caller by either id. Raises SessionNotFound, also for another caller's or provider's session."""
    found = None
    if session_id.startswith("gw-"):
        found = await gateway.store.get_session(SessionId(session_id))
    else:
        native = NativeSessionId(session_id)
        names = list(gateway.providers) if provider is None else [provider]
        for name in names:
            found = found or await gateway.store.find_session(name, native, context.principal)
    if found is None or found.principal != context.principal or (provider and found.provider != provider):
        subject = f"{provider} has" if provider else "there is"
        raise SessionNotFound(f"{subject} no session {session_id}", recovery="session_list shows yours.")
    return found


async def in_use(gateway: Gateway, session: Session) -> Job | None:
    """Return an unfinished job of the session; None: there is none."""
    running = await gateway.store.list_jobs(session_id=session.id, states=_UNFINISHED, limit=1)
    return running[0] if running else None


async def is_active(gateway: Gateway, session: Session) -> bool:
    """Return whether requests in the session's directory continue it."""
    resolved = await to_thread.run_sync(os.path.realpath, session.working_dir)
    for directory in dict.fromkeys((resolved, session.working_dir)):
        active = await gateway.store.active_session(session.provider, directory, session.principal)
        if active is not None:
            return active.id == session.id
    return False


def session_view(gateway: Gateway, session: Session, *, active: bool) -> dict[str, Any]:
    """Return a session as lists show it. It is resumable if its native id is known and the provider can resume."""
    return wire_object(
        gateway_session_id=session.id,
        session_id=session.native_id,
        provider=session.provider,
        description=session.description or None,
        resumable=session.native_id is not None and "sessionId" in gateway.supports(session.provider),
        active=active,
        turns=session.turns,
        model=session.settings.get("model"),
        posture=session.settings.get("posture"),
        working_dir=session.working_dir,
        created_at=stamp(session.created_at),
        last_used_at=stamp(session.last_used_at),
    )


def cache_state(records: Sequence[Record], now: datetime) -> dict[str, Any] | None:
    """Return what these turns (newest first) read from the cache, and how long it is kept. None: unknown."""
    counted = [record for record in records if record.ended_at and record.usage.cache_read_tokens is not None]
    if not counted:
        return None
    newest = counted[0]
    age_s = (now - (newest.ended_at or now)).total_seconds()
    ttl_s = newest.cache.ttl_s
    return wire_object(
        requests=len(counted),
        hits=sum(bool(record.usage.cache_read_tokens) for record in counted),
        read_tokens=sum(record.usage.cache_read_tokens or 0 for record in counted),
        written_tokens=sum(record.usage.cache_creation_tokens or 0 for record in counted),
        last_request_at=stamp(newest.started_at),
        ttl_remaining_ms=None if ttl_s is None else max(0, round((ttl_s - age_s) * 1000)),
    )


def turn_view(job: Job) -> dict[str, Any]:
    """Return a turn: its job, usage and cost."""
    if job.reply is None:
        return job_view(job)
    usage = wire_object(**asdict(job.reply.usage))
    return {**job_view(job), **wire_object(usage=usage or None)}
