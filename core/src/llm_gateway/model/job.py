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
    """The state of a job."""

    QUEUED = "queued"  #: accepted, waiting for a place
    RUNNING = "running"  #: has a place; its run is starting or running
    COMPLETED = "completed"  #: the run succeeded
    FAILED = "failed"  #: the run failed; `Job.error_code` says how
    CANCELED = "canceled"  #: a caller ended it
    INTERRUPTED = "interrupted"  #: the run ended without a result, for example because its shim was killed

    @property
    def ended(self) -> bool:
        """Whether this state is final."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job, as the store keeps it. It contains no prompt and no output: those are in the job's folder."""

    id: JobId  #: `job-…`
    provider: str  #: the provider's name
    state: JobState  #: changes only by compare-and-set
    principal: str  #: the caller that owns it
    owner: str  #: id of the gateway that manages it
    dedup_key: str | None = None  #: SHA-256; None: never returned to another call
    found_state: str | None = None  #: digest of the files before the run; None: unknown
    #: Digest of the files after the run; the answer is reused only in this state; None: never.
    left_state: str | None = None
    session_id: SessionId | None = None  #: the gateway's session
    correlation_id: str = ""  #: the caller's trace id, or a generated one
    model: str | None = None  #: the requested model; None: the CLI's default
    posture: Posture  #: the approved level
    working_dir: str  #: absolute, links resolved
    approval: Mapping[str, Any] = field(default_factory=dict)  #: the verdict, as the answer shows it
    mcp_servers: Mapping[str, Any] = field(default_factory=dict)  #: requested, enabled, missing, trackingOnly
    #: SHA-256 of the accepted request, and of its `Resume`; empty: a job of an earlier version.
    request_digests: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[Mapping[str, Any], ...] = ()  #: warnings from before the run
    created_at: datetime  #: aware UTC
    started_at: datetime | None = None  #: when it got its place; aware UTC
    ended_at: datetime | None = None  #: aware UTC
    fetched_at: datetime | None = None  #: when the reply was first delivered
    reply: Reply | None = None  #: set once the state is final
    error_code: str | None = None  #: of a failed job
