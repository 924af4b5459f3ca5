"""What an answer says: its last verdict line and its findings. Strict: what is not said in the form is not said.

Nothing that stands in a quotation (a fenced block, a `>` line, what is between two lines with the run's mark) is a verdict. What
the reviewed material says therefore matters only as far as a reviewer repeats it as words of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_gateway_extension_review.findings import SEVERITIES, blocking
from llm_gateway_extension_review.state import APPROVED, NOT_APPROVED, WITH_CONDITIONS, Finding

MOST_FINDINGS = 200
_LONGEST = {"file": 500, "cause": 200, "title": 500, "detail": 8_000, "suggestion": 8_000}
_VERDICT = re.compile(
    rf"^(?:\*\*|__)?(?:(?:VERDICT|[Vv]erdict): ?)?[*_` ]*({WITH_CONDITIONS}|{NOT_APPROVED}|{APPROVED})[*_`]*\.?$"
)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a reviewer's answer comes to."""

    verdict: str | None = None  #: None: it does not count
    findings: tuple[Finding, ...] = ()
    problem: str | None = None  #: what is wrong with the form


def read_review(text: str, mark: str) -> Judgement:
    """Read a review.

    An approval counts only with a readable block of findings (an empty list will do), and not as one without conditions where it
    has a critical or high finding. Doubts count in any form that names them.
    """
    if not text.strip():
        return Judgement(problem="the answer is empty")
    verdict = next((word for line in reversed(list(own_lines(text, mark))) if (word := _verdict_of(line))), None)
    findings, problem = _findings_of(text)
    if verdict is None:
        return Judgement(findings=findings, problem="the answer has no verdict line")
    if verdict != NOT_APPROVED and problem:
        return Judgement(findings=findings, problem=f"it says {verdict}, but {problem}")
    if verdict == APPROVED and blocking(findings):
        return Judgement(
            verdict=WITH_CONDITIONS,
            findings=findings,
            problem="it says APPROVED beside critical or high findings: taken as APPROVED_WITH_CONDITIONS",
        )
    return Judgement(verdict=verdict, findings=findings, problem=problem)


def own_lines(text: str, mark: str) -> Iterator[str]:
    """The lines that are the speaker's own: outside of fenced blocks, quotations and the evidence."""
    fence, marked = "", False
    for line in text.splitlines():
        if mark in line:
            marked = not marked
            continue
        found = None if marked else _FENCE.match(line)
        if fence:
            if found and found[1][0] == fence[0] and len(found[1]) >= len(fence) and not found[2]:
                fence = ""
        elif found:
            fence = found[1]
        elif not marked and not line.startswith(("    ", "\t")) and not line.lstrip().startswith(">"):
            yield line.strip()


def json_blocks(text: str) -> Iterator[Any]:
    """What stands in the fenced JSON blocks of an answer, as far as it can be read."""
    fence, kind, lines = "", "", list[str]()
    for line in text.splitlines():
        found = _FENCE.match(line)
        if not fence:
            if found:
                fence, kind, lines = found[1], found[2].lower(), []
        elif found and found[1][0] == fence[0] and len(found[1]) >= len(fence) and not found[2]:
            fence = ""
            if kind == "json":
                try:
                    yield json.loads("\n".join(lines))
                except (ValueError, RecursionError):
                    yield None
        else:
            lines.append(line)


def _verdict_of(line: str) -> str | None:
    found = _VERDICT.match(line)
    return found[1] if found else None


def _findings_of(text: str) -> tuple[tuple[Finding, ...], str | None]:
    last = None
    for block in json_blocks(text):
        last = block
    if last is None:
        return (), "it has no readable block of findings"
    listed = last.get("findings") if isinstance(last, dict) else last
    if not isinstance(listed, list):
        return (), "its block of findings is none"
    read = [_finding(one) for one in listed[:MOST_FINDINGS]]
    good = tuple(one for one in read if one is not None)
    bad = len(listed) - len(good)
    return good, f"{bad} of its findings cannot be read" if bad else None


def _finding(said: Any) -> Finding | None:
    if not isinstance(said, dict) or said.get("severity") not in SEVERITIES:
        return None
    line = said.get("line") or 0
    words = {name: said.get(name) or "" for name in _LONGEST}
    if not isinstance(line, int) or line < 0 or not all(isinstance(value, str) for value in words.values()):
        return None
    if not words["title"].strip():
        return None
    return Finding(
        severity=said["severity"],
        line=line,
        **{name: _whole(value.strip()[: _LONGEST[name]]) for name, value in words.items()},
    )


def _whole(words: str) -> str:
    """Words that every terminal and file can hold: JSON can spell half a character."""
    return words.encode("utf-8", "replace").decode()
