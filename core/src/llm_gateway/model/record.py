"""What is remembered of every turn, and of every verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from llm_gateway.model.ids import JobId, NativeSessionId, SessionId
from llm_gateway.model.posture import Posture
from llm_gateway.model.usage import Cost, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The flight record of one turn: numbers and hashes, never words."""

    job_id: JobId
    session_id: SessionId | None = None
    native_id: NativeSessionId | None = None
    principal: str
    correlation_id: str
    provider: str
    model: str | None = None
    posture: Posture
    prefix_sha256: str | None = None
    prefix_bytes: int = 0
    usage: Usage = Usage()
    cost: Cost = Cost()
    started_at: datetime
    duration_s: float
    outcome: str  #: the job's final state
    error_code: str | None = None


class Decision(str, Enum):
    """What a policy says; the later member is the stricter one."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One policy's judgement of a proposal."""

    decision: Decision
    policy: str  #: who judged
    reasons: tuple[str, ...] = ()
    posture: Posture | None = None  #: a lower rung than proposed, if wanted
    question: str | None = None  #: with ASK: what the human is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecord:
    """A verdict as it is kept. The prompt's hash, never the prompt."""

    job_id: JobId | None
    provider: str
    principal: str
    strategy: str
    verdict: Verdict
    prompt_sha256: str
    decided_at: datetime
