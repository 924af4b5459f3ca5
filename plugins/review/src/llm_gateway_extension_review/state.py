"""What is known of a run: who sits on it, what they were asked in which round, and what came of it. Kept in the home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

REVIEW, UNTIL_APPROVED, ASK_MANY, CONSENSUS = "review", "review_until_approved", "ask_many", "consensus"
#: What a turn is for.
LOOK, FIX, ASK, JUDGE = "review", "fix", "ask", "judge"
APPROVED, WITH_CONDITIONS, NOT_APPROVED = "APPROVED", "APPROVED_WITH_CONDITIONS", "NOT_APPROVED"
#: Too few approvals, and nobody who said no: a silent reviewer is never agreement.
NO_QUORUM = "NO_QUORUM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Somebody who is asked."""

    name: str  #: unique in its run
    provider: str
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a reviewer has found."""

    severity: str  #: critical, high, medium, low or info
    title: str
    file: str = ""
    line: int = 0  #: 0: the whole file, or none
    cause: str = ""  #: a few words, the same for the same kind of fault
    detail: str = ""
    suggestion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One reviewer's part in one round: an ordinary job."""

    round: int
    role: str
    reviewer: str
    correlation_id: str = ""  #: names run, round and reviewer: by it the job is found again
    job_id: str | None = None
    status: str = "starting"  #: then `running`, then how the job ended
    session_id: str | None = None  #: ours, when the conversation can go on
    verdict: str | None = None  #: None: this reviewer has said nothing that counts
    problem: str | None = None  #: why it does not count
    findings: tuple[Finding, ...] = ()
    position: str | None = None
    error_code: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    cost_usd: float | None = None
    duration_ms: int | None = None
    attempt: int = 1  #: a reader whose provider had no room is asked once more
    carried: bool = False  #: nothing has changed since this reviewer's last look: its word stands

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in ("starting", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is reviewed."""

    kind: str  #: range, uncommitted, files or text
    range: str = ""  #: as the caller said it
    base: str = ""  #: the commit that it begins at
    head: str = ""  #: the commit that it ends at; empty: the working tree
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
    mark: str  #: nobody who wrote the evidence can know it
    scope: Scope | None = None
    instructions: str = ""
    posture: str = "read_only"  #: of those who look or answer
    implementer: Reviewer | None = None
    fix_posture: str = "accept_edits"
    judge: Reviewer | None = None
    choices: tuple[str, ...] = ()
    timeout_ms: int | None = None
    max_rounds: int = 1
    turns: tuple[Turn, ...] = ()
    verdict: str | None = None
    consensus: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()  #: what a reader of the result must know, such as evidence that was cut

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.status != "running"

    @property
    def round(self) -> int:
        """The last round that was begun."""
        return max((turn.round for turn in self.turns), default=0)

    def turn(self, number: int, role: str, reviewer: str) -> Turn | None:
        """A reviewer's part in a round."""
        return next((t for t in self.turns if (t.round, t.role, t.reviewer) == (number, role, reviewer)), None)

    def of_round(self, number: int, role: str = LOOK) -> list[Turn]:
        """Everybody's part in a round."""
        return [turn for turn in self.turns if (turn.round, turn.role) == (number, role)]

    def with_turns(self, *changed: Turn) -> Run:
        """The run with these turns instead of those of the same place."""
        turns = {(turn.round, turn.role, turn.reviewer): turn for turn in (*self.turns, *changed)}
        return replace(self, turns=tuple(turns.values()))
