"""What is remembered of every turn, and of every verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from llm_gateway.model.ids import JobId, NativeSessionId, SessionId
from llm_gateway.model.invocation import Notice
from llm_gateway.model.posture import Posture
from llm_gateway.model.usage import CacheAccount, Cost, RunFacts, Usage

#: (scope, key) -> what to add to the tally that stands there
Counts = Mapping[tuple[str, str], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The flight record of one turn: numbers and hashes; words only where the operator has them kept."""

    job_id: JobId
    session_id: SessionId | None = None
    native_id: NativeSessionId | None = None
    principal: str
    correlation_id: str
    provider: str
    model: str | None = None  #: the one that answered; until then the one that was asked for
    posture: Posture
    resumed: bool = False  #: it continued a conversation
    prompt_bytes: int = 0
    prefix_sha256: str | None = None
    prefix_bytes: int = 0
    usage: Usage = Usage()
    cost: Cost = Cost()
    cache: CacheAccount = CacheAccount()
    run: RunFacts = RunFacts()
    started_at: datetime
    ended_at: datetime | None = None  #: None: not over yet
    duration_s: float = 0.0
    outcome: str  #: `started`, then the job's final state
    error_code: str | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)  #: what plugins had kept with it
    words: Mapping[str, str] = field(default_factory=dict)  #: the same, but large: stored, and not given back by lists

    @property
    def prefix_tokens(self) -> int:
        """An estimate: four bytes a token."""
        return self.prefix_bytes // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """What a plugin has to say about a turn."""

    notices: tuple[Notice, ...] = ()  #: shown to the caller as warnings
    cache: CacheAccount | None = None  #: instead of the record's
    kept: Mapping[str, Any] = field(default_factory=dict)  #: to be kept with the record: plain JSON, and small
    words: Mapping[str, str] = field(default_factory=dict)  #: to be kept with the record
    counts: Counts = field(default_factory=dict)  #: to be added up in the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was added up under one key, of one provider and model."""

    key: str
    provider: str
    model: str  #: empty: unknown
    first_at: datetime
    last_at: datetime
    counts: Mapping[str, int]


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
    posture: Posture | None = None  #: a lower level than proposed, if wanted
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
