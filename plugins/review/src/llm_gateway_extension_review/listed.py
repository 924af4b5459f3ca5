"""Read the findings in an answer. All of its blocks count, and an unreadable block is reported, never skipped."""

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
#: Synonyms of the five severities that reviewers write.
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
    problem: str | None = None  #: why an approval is not valid with these findings
    verdicts: tuple[str, ...] = field(default=())  #: values of the field `verdict` in the blocks


def json_of(block: Block) -> Any:
    """Return the JSON of a block; None: it is not valid JSON. A duplicate key is invalid, because one value would be lost."""
    try:
        return json.loads(block.text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None


def read_findings(blocks: Sequence[Block]) -> Listed:
    """Read all blocks of findings. Other JSON, such as an example, is ignored if there is a block of findings."""
    findings, problems, verdicts, seen = list[Finding](), list[str](), list[str](), False
    for block in blocks:
        if block.evidence:
            continue
        declared = block.kind.startswith("json")
        value = json_of(block)
        if value is None:
            if declared or '"findings"' in block.text:
                problems.append(
                    "it has no readable block of findings"
                    if not seen
                    else "one of its blocks of findings is not readable"
                )
            continue
        if isinstance(value, dict) and isinstance(value.get("verdict"), str):
            verdicts.append(value["verdict"])
        found = _list_of(value, declared)
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


def _list_of(value: Any, declared: bool) -> Any:
    """Return the findings in a block of JSON, in any usual form; None: it contains none."""
    if isinstance(value, dict):
        if "findings" in value:
            return value["findings"] if value["findings"] is not None else []
        return [value] if "severity" in value else None
    return value if declared and isinstance(value, list) else None


def _read_list(listed: Any) -> tuple[list[Finding], str | None]:
    if not isinstance(listed, list):
        return [], "its block of findings is none"
    good = [finding for finding in map(_finding, listed[:MOST_FINDINGS]) if finding is not None]
    bad = len(listed) - len(good)
    return good, f"{bad} of its findings cannot be read" if bad else None


def _finding(value: Any) -> Finding | None:
    if not isinstance(value, dict):
        return None
    severity = severity_of(value.get("severity"))
    words = {name: value.get(name) or "" for name in _LONGEST}
    if severity is None or not all(isinstance(value, str) for value in words.values()) or not words["title"].strip():
        return None
    cut = {name: _whole(value.strip()[: _LONGEST[name]]) for name, value in words.items()}
    return Finding(severity=severity, line=line_of(value.get("line")), **cut)


def severity_of(value: Any) -> str | None:
    """Return one of the five severities, or None. If several are named, return the worst."""
    if not isinstance(value, str):
        return None
    words = re.findall(r"[a-z0-9]+", value.casefold())
    known = [_SYNONYMS.get(word, word) for word in words]
    return min((word for word in known if word in SEVERITIES), key=SEVERITIES.index, default=None)


def line_of(value: Any) -> int:
    """Return the first line number of a finding, from 1; 0: it is missing or unreadable. The finding still counts."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        found = re.match(r"\s*[^\W\d]{0,5}\s*(\d{1,10})(?![\d.]*\d)", value)
        value = int(found[1]) if found else 0
    if isinstance(value, float):
        value = int(value) if value.is_integer() else 0
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 <= value <= _LAST_LINE else 0


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    read = dict[str, Any]()
    for name, value in pairs:
        if name in read:
            raise ValueError(f"duplicate key {name}")
        read[name] = value
    return read


def _whole(words: str) -> str:
    """Replace lone surrogates, which JSON can contain, so that the text can be encoded."""
    return words.encode("utf-8", "replace").decode()
