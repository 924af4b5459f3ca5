"""The durable life of one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from llm_gateway.model.ids import JobId, SessionId
from llm_gateway.model.posture import Posture
from llm_gateway.model.reply import Reply


class JobState(str, Enum):
    """Where a job stands."""

    QUEUED = "queued"  #: accepted, waiting for a place
    RUNNING = "running"  #: has a place; its run is starting or under way
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    INTERRUPTED = "interrupted"  #: something killed the run's shim

    @property
    def ended(self) -> bool:
        """Whether this state is final."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job, as the store keeps it. Holds no prompt and no output: those lie in the job's folder."""

    id: JobId
    provider: str
    state: JobState
    principal: str
    owner: str  #: id of the gateway that looks after it
    dedup_key: str | None = None  #: SHA-256; None: never answered to another caller
    found_state: str | None = None  #: of the files, before the run; None: unknown
    left_state: str | None = (
        None  #: of the files, after the run; only in this state is its answer given again; None: never
    )
    session_id: SessionId | None = None
    correlation_id: str = ""
    model: str | None = None
    posture: Posture
    working_dir: str
    approval: Mapping[str, Any] = field(default_factory=dict)  #: the verdict, as the answer shows it
    mcp_servers: Mapping[str, Any] = field(default_factory=dict)  #: requested, enabled, missing, trackingOnly
    #: SHA-256 of the request as it was accepted, and of how it enters its conversation; empty: a job of an earlier version.
    request_digests: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[Mapping[str, Any], ...] = ()  #: warnings from before the run
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    fetched_at: datetime | None = None  #: when the reply was first handed out
    reply: Reply | None = None  #: set once the state is final
    error_code: str | None = None
