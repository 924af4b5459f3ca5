"""Findings of several reviewers: those that mean the same become one, which keeps who said it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llm_gateway_extension_review.state import Finding, Turn

SEVERITIES = ("critical", "high", "medium", "low", "info")
#: An approval does not go together with an open finding of these.
BLOCKING = SEVERITIES[:2]
#: Two who mean the same place differ by a few lines at most.
_NEAR_LINES = 3
#: Of the words of both, so many must be the same.
_ALIKE = 0.4
_IDLE = frozenset(
    ("a", "an", "and", "are", "be", "by", "for", "in", "is", "it", "of", "on", "or", "that", "the", "this", "to")
)


@dataclass(kw_only=True)
class Merged:
    """One fault, and everybody who found it."""

    finding: Finding  #: in the words of whoever said it first, with the worst severity that anybody gave it
    reviewers: list[str] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)  #: what the others said of it

    def to_wire(self) -> dict[str, Any]:
        """As answers show it."""
        one = self.finding
        known = {"file": one.file, "line": one.line, "cause": one.cause, "detail": one.detail}
        known |= {"suggestion": one.suggestion, "alsoSaid": self.others}
        return {
            "severity": one.severity,
            "title": one.title,
            **{name: value for name, value in known.items() if value},
            "saidBy": self.reviewers,
        }


def merge(turns: Iterable[Turn]) -> list[Merged]:
    """All findings of these turns, the worst first; those of one place and one cause together."""
    merged: list[Merged] = []
    for turn in turns:
        for finding in turn.findings:
            same = next((known for known in merged if _same(known.finding, finding)), None)
            if same is None:
                merged.append(Merged(finding=finding, reviewers=[turn.reviewer]))
                continue
            if turn.reviewer not in same.reviewers:
                same.reviewers.append(turn.reviewer)
            if (finding.title, finding.detail) != (same.finding.title, same.finding.detail):
                words = {"reviewer": turn.reviewer, "title": finding.title, "detail": finding.detail}
                same.others.append({name: value for name, value in words.items() if value})
            same.finding = _worse(same.finding, finding)
    return sorted(merged, key=lambda one: (_rank(one.finding), one.finding.file, one.finding.line))


def blocking(findings: Sequence[Finding]) -> bool:
    """Whether one of these stands against an approval."""
    return any(finding.severity in BLOCKING for finding in findings)


def place(finding: Finding) -> str:
    """`file:line`, as far as it is known."""
    return f"{finding.file}:{finding.line}" if finding.file and finding.line else finding.file


def _same(one: Finding, other: Finding) -> bool:
    if posixpath.normpath(one.file or ".") != posixpath.normpath(other.file or "."):
        return False
    if one.line and other.line and abs(one.line - other.line) > _NEAR_LINES:
        return False
    if one.cause and other.cause and _words(one.cause) == _words(other.cause):
        return True
    mine, yours = _words(one.cause, one.title), _words(other.cause, other.title)
    return len(mine & yours) >= _ALIKE * len(mine | yours) and bool(mine & yours)


def _words(*texts: str) -> frozenset[str]:
    found = re.findall(r"[^\W_]+", " ".join(texts).casefold())
    return frozenset(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found) - _IDLE


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _worse(one: Finding, other: Finding) -> Finding:
    return replace(
        one,
        severity=min(one, other, key=_rank).severity,
        line=one.line or other.line,
        suggestion=one.suggestion or other.suggestion,
    )
