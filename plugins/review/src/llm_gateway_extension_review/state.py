"""The stored state of a run: its reviewers, their turns in each round, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

REVIEW, UNTIL_APPROVED, ASK_MANY, CONSENSUS = "review", "review_until_approved", "ask_many", "consensus"
#: The progress message of a turn whose job is queued.
QUEUED = "waiting in the queue"
#: The roles of a turn.
LOOK, FIX, ASK, JUDGE = "review", "fix", "ask", "judge"
APPROVED, WITH_CONDITIONS, NOT_APPROVED = "APPROVED", "APPROVED_WITH_CONDITIONS", "NOT_APPROVED"
#: Too few approvals and no refusal: a missing verdict is never an approval.
NO_QUORUM = "NO_QUORUM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """A reviewer of a run."""

    name: str  #: unique in its run
    provider: str
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding of a reviewer."""

    severity: str  #: critical, high, medium, low or info
    title: str
    file: str = ""
    line: int = 0  #: 0: the complete file, or no file
    cause: str = ""  #: a short text, the same for the same kind of fault
    detail: str = ""
    suggestion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One reviewer's part in one round: an ordinary job."""

    round: int
    role: str
    reviewer: str
    correlation_id: str = ""  #: contains run, round and reviewer; the job can be found by it
    job_id: str | None = None
    status: str = "starting"  #: then `running`, then the final state of the job
    session_id: str | None = None  #: the gateway's session id, if the conversation can be resumed
    verdict: str | None = None  #: None: this reviewer gave no valid verdict
    problem: str | None = None  #: why the turn does not count
    findings: tuple[Finding, ...] = ()
    position: str | None = None
    error_code: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    cost_usd: float | None = None
    duration_ms: int | None = None
    attempt: int = 1  #: a reading turn is retried once after a temporary failure
    carried: bool = False  #: the verdict of the previous round, because nothing has changed since

    @property
    def ended(self) -> bool:
        """Whether the turn has ended."""
        return self.status not in ("starting", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The scope of a review."""

    kind: str  #: range, uncommitted, files or text
    range: str = ""  #: as the caller passed it
    base: str = ""  #: the first commit
    head: str = ""  #: the last commit; empty: the working tree
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A review, or another question to several agents."""

    id: str
    kind: str
    principal: str
    remote: bool = False
    working_dir: str
    created_at: datetime
    ended_at: datetime | None = None
    status: str = "running"  #: then completed, escalate, failed or canceled
    problem: str | None = None
    reviewers: tuple[Reviewer, ...]
    quorum: int
    mark: str  #: a random text that the authors of the material cannot know
    scope: Scope | None = None
    instructions: str = ""
    posture: str = "read_only"  #: of reviewers and answering agents
    implementer: Reviewer | None = None
    fix_posture: str = "accept_edits"
    judge: Reviewer | None = None
    choices: tuple[str, ...] = ()
    timeout_ms: int | None = None
    max_rounds: int = 1
    turns: tuple[Turn, ...] = ()
    verdict: str | None = None
    consensus: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()  #: notes for readers of the result, such as truncated material

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.status != "running"

    @property
    def round(self) -> int:
        """The last started round."""
        return max((turn.round for turn in self.turns), default=0)

    def turn(self, number: int, role: str, reviewer: str) -> Turn | None:
        """Return the turn of a reviewer in a round."""
        return next((t for t in self.turns if (t.round, t.role, t.reviewer) == (number, role, reviewer)), None)

    def of_round(self, number: int, role: str = LOOK) -> list[Turn]:
        """Return all turns of a round."""
        return [turn for turn in self.turns if (turn.round, turn.role) == (number, role)]

    def with_turns(self, *changed: Turn) -> Run:
        """Return the run with these turns in place of those with the same round, role and reviewer."""
        turns = {(turn.round, turn.role, turn.reviewer): turn for turn in (*self.turns, *changed)}
        return replace(self, turns=tuple(turns.values()))
