"""What the store keeps about every turn and every verdict."""

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

#: (scope, key) -> what to add to the tally with this key
Counts = Mapping[tuple[str, str], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The flight record of one turn: numbers and hashes; text only if the operator enables it."""

    job_id: JobId  #: one record per job
    session_id: SessionId | None = None  #: the gateway's session
    native_id: NativeSessionId | None = None  #: the CLI's own session id
    principal: str  #: the owner of the turn
    correlation_id: str  #: the caller's trace id, or a generated one
    provider: str  #: the provider's name
    model: str | None = None  #: the one that answered; until then the requested one
    posture: Posture  #: what the run might do on its own
    resumed: bool = False  #: whether it continued a conversation
    prompt_bytes: int = 0  #: size of the whole prompt, UTF-8
    prefix_sha256: str | None = None  #: hash of the stable prefix
    prefix_bytes: int = 0  #: size of the stable prefix, UTF-8

    usage: Usage = Usage()  #: tokens of this turn alone
    cost: Cost = Cost()  #: of this turn alone
    cache: CacheAccount = CacheAccount()  #: what the cached tokens mean
    run: RunFacts = RunFacts()  #: further facts, such as retries
    started_at: datetime  #: aware UTC
    ended_at: datetime | None = None  #: aware UTC; None: not ended yet
    duration_s: float = 0.0  #: of the run, in seconds

    outcome: str  #: `started`, then the job's final state
    error_code: str | None = None  #: of a failed turn
    kept: Mapping[str, Any] = field(default_factory=dict)  #: data that plugins stored with it
    #: The same for large text: stored, and not returned by lists
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def prefix_tokens(self) -> int:
        """An estimate: four bytes per token."""
        return self.prefix_bytes // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """What a plugin adds to a turn."""

    notices: tuple[Notice, ...] = ()  #: shown to the caller as warnings
    cache: CacheAccount | None = None  #: replaces that of the record

    kept: Mapping[str, Any] = field(default_factory=dict)  #: stored with the record: small, plain JSON
    words: Mapping[str, str] = field(default_factory=dict)  #: stored with the record: text of any size
    counts: Counts = field(default_factory=dict)  #: added to the tallies in the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The totals under one key, for one provider and model."""

    key: str  #: within its scope
    provider: str  #: the provider's name
    model: str  #: empty: unknown
    first_at: datetime  #: when the first turn was added
    last_at: datetime  #: when the last turn was added
    counts: Mapping[str, int]  #: name -> total


class Decision(str, Enum):
    """The decision of a policy; a later member is stricter."""

    ALLOW = "allow"  #: the request may run
    ASK = "ask"  #: a human decides
    DENY = "deny"  #: the request is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One policy's judgement of a proposal."""

    decision: Decision  #: allow, ask or deny
    policy: str  #: the policy's name
    reasons: tuple[str, ...] = ()  #: stored and shown to the caller; never text of the prompt

    posture: Posture | None = None  #: a lower level than proposed; None: as proposed
    question: str | None = None  #: with ASK: the question to the human; one line, no secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecord:
    """A verdict as the store keeps it, with the hash of the prompt, never the prompt."""

    job_id: JobId | None  #: None: refused before there was a job
    provider: str  #: of the request
    principal: str  #: the caller
    strategy: str  #: with which it was judged
    verdict: Verdict  #: of one policy, or of the human (`human`)
    prompt_sha256: str  #: hex digest of the prompt
    decided_at: datetime  #: aware UTC
