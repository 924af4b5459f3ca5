"""The findings that an answer lists. All of its blocks count, and one that cannot be read is said, never skipped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_extension_review.findings import SEVERITIES
from llm_gateway_extension_review.scanning import Block
from llm_gateway_extension_review.state import Finding

MOST_FINDINGS = 200
_LONGEST = {"file": 500, "cause": 200, "title": 500, "detail": 8_000, "suggestion": 8_000}
_LAST_LINE = 2**31 - 1
#: What reviewers write for the five severities.
_SYNONYMS = {
    "blocker": "critical",
    "blocking": "critical",
    "fatal": "critical",
    "p0": "critical",
    "severe": "critical",
    "error": "high",
    "important": "high",
    "major": "high",
    "p1": "high",
    "serious": "high",
    "moderate": "medium",
    "normal": "medium",
    "p2": "medium",
    "warning": "medium",
    "minor": "low",
    "p3": "low",
    "trivial": "low",
    "information": "info",
    "informational": "info",
    "nit": "info",
    "nitpick": "info",
    "note": "info",
    "notice": "info",
    "p4": "info",
    "suggestion": "info",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The findings of an answer."""

    findings: tuple[Finding, ...] = ()
    problem: str | None = None  #: why an approval cannot stand beside them
    verdicts: tuple[str, ...] = field(default=())  #: what the blocks say in a field `verdict`


def json_of(block: Block) -> Any:
    """What a block says; None where it is not JSON. A key that comes twice makes it unreadable: one of the two would be lost."""
    try:
        return json.loads(block.text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None


def read_findings(blocks: Sequence[Block]) -> Listed:
    """Read all blocks of findings. Other JSON, such as an example, is left alone as long as a block of findings is there."""
    findings, problems, verdicts, seen = list[Finding](), list[str](), list[str](), False
    for block in blocks:
        if block.evidence:
            continue
        declared = block.kind.startswith("json")
        said = json_of(block)
        if said is None:
            if declared or '"findings"' in block.text:
                problems.append(
                    "it has no readable block of findings"
                    if not seen
                    else "one of its blocks of findings is not readable"
                )
            continue
        if isinstance(said, dict) and isinstance(said.get("verdict"), str):
            verdicts.append(said["verdict"])
        found = _list_of(said, declared)
        if found is None:
            continue
        seen = True
        good, problem = _read_list(found)
        findings += good
        problems += [problem] if problem else []
    if not seen and not problems:
        problems.append("it has no readable block of findings")
    return Listed(
        findings=tuple(dict.fromkeys(findings)), problem="; ".join(problems) or None, verdicts=tuple(verdicts)
    )


def _list_of(said: Any, declared: bool) -> Any:
    """The findings that a block of JSON holds, in whatever form; None: it holds none."""
    if isinstance(said, dict):
        if "findings" in said:
            return said["findings"] if said["findings"] is not None else []
        return [said] if "severity" in said else None
    return said if declared and isinstance(said, list) else None


def _read_list(listed: Any) -> tuple[list[Finding], str | None]:
    if not isinstance(listed, list):
        return [], "its block of findings is none"
    good = [one for one in map(_finding, listed[:MOST_FINDINGS]) if one is not None]
    bad = len(listed) - len(good)
    return good, f"{bad} of its findings cannot be read" if bad else None


def _finding(said: Any) -> Finding | None:
    if not isinstance(said, dict):
        return None
    severity = severity_of(said.get("severity"))
    words = {name: said.get(name) or "" for name in _LONGEST}
    if severity is None or not all(isinstance(value, str) for value in words.values()) or not words["title"].strip():
        return None
    cut = {name: _whole(value.strip()[: _LONGEST[name]]) for name, value in words.items()}
    return Finding(severity=severity, line=line_of(said.get("line")), **cut)


def severity_of(said: Any) -> str | None:
    """One of the five severities, or None. Where several are named, the worst."""
    if not isinstance(said, str):
        return None
    words = re.findall(r"[a-z0-9]+", said.casefold())
    known = [_SYNONYMS.get(word, word) for word in words]
    return min((word for word in known if word in SEVERITIES), key=SEVERITIES.index, default=None)


def line_of(said: Any) -> int:
    """The first line that a finding names, from 1; 0: none that can be read. A finding counts wherever it is."""
    if isinstance(said, list) and said:
        said = said[0]
    if isinstance(said, str):
        found = re.match(r"\s*[^\W\d]{0,5}\s*(\d{1,10})(?![\d.]*\d)", said)
        said = int(found[1]) if found else 0
    if isinstance(said, float):
        said = int(said) if said.is_integer() else 0
    if isinstance(said, bool) or not isinstance(said, int):
        return 0
    return said if 0 <= said <= _LAST_LINE else 0


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    read = dict[str, Any]()
    for name, value in pairs:
        if name in read:
            raise ValueError(f"{name} comes twice")
        read[name] = value
    return read


def _whole(words: str) -> str:
    """Words that every terminal and file can hold: JSON can spell half a character."""
    return words.encode("utf-8", "replace").decode()
