"""Merge the findings of several reviewers. A merged finding names all reviewers who reported it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llm_gateway_extension_review.state import Finding, Turn

SEVERITIES = ("critical", "high", "medium", "low", "info")
#: Findings with these severities prevent an approval.
BLOCKING = SEVERITIES[:2]
#: The largest difference of line numbers of the same finding.
_NEAR_LINES = 3
#: The share of common words that makes two findings the same.
_ALIKE = 0.4
_IDLE = frozenset(
    ("a", "an", "and", "are", "be", "by", "for", "in", "is", "it", "of", "on", "or", "that", "the", "this", "to")
)


@dataclass(kw_only=True)
class Merged:
    """One finding, and the reviewers who reported it."""

    finding: Finding  #: with the text of its first reviewer and the worst severity of all
    reviewers: list[str] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)  #: different texts of the other reviewers

    def to_wire(self) -> dict[str, Any]:
        """Return the finding in its wire form."""
        finding = self.finding
        known = {"file": finding.file, "line": finding.line, "cause": finding.cause, "detail": finding.detail}
        known |= {"suggestion": finding.suggestion, "alsoSaid": self.others}
        return {
            "severity": finding.severity,
            "title": finding.title,
            **{name: value for name, value in known.items() if value},
            "saidBy": self.reviewers,
        }


def merge(turns: Iterable[Turn]) -> list[Merged]:
    """Return all findings of these turns, the worst first. Findings with the same location and cause are merged."""
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
                text = {"reviewer": turn.reviewer, "title": finding.title, "detail": finding.detail}
                same.others.append({name: value for name, value in text.items() if value})
            same.finding = _worse(same.finding, finding)
    return sorted(merged, key=lambda item: (_rank(item.finding), item.finding.file, item.finding.line))


def blocking(findings: Sequence[Finding]) -> bool:
    """Return whether one of these findings prevents an approval."""
    return any(finding.severity in BLOCKING for finding in findings)


def place(finding: Finding) -> str:
    """Return `file:line`, or the known part of it."""
    return f"{finding.file}:{finding.line}" if finding.file and finding.line else finding.file


def _same(first: Finding, second: Finding) -> bool:
    if posixpath.normpath(first.file or ".") != posixpath.normpath(second.file or "."):
        return False
    if first.line and second.line and abs(first.line - second.line) > _NEAR_LINES:
        return False
    if first.cause and second.cause and _words(first.cause) == _words(second.cause):
        return True
    mine, yours = _words(first.cause, first.title), _words(second.cause, second.title)
    return len(mine & yours) >= _ALIKE * len(mine | yours) and bool(mine & yours)


def _words(*texts: str) -> frozenset[str]:
    found = re.findall(r"[^\W_]+", " ".join(texts).casefold())
    return frozenset(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found) - _IDLE


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _worse(first: Finding, second: Finding) -> Finding:
    return replace(
        first,
        severity=min(first, second, key=_rank).severity,
        line=first.line or second.line,
        suggestion=first.suggestion or second.suggestion,
    )
