"""Read a review: the last line about the verdict decides; the findings are read from its blocks.

A quotation (a fenced block, a `>` line, an indented line, lines between two lines with the run's mark) never approves, because its
text may come from the material. A quotation that refuses counts. A later line that refuses or is unreadable revokes an approval.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from llm_gateway_extension_review.findings import blocking
from llm_gateway_extension_review.listed import json_of, read_findings
from llm_gateway_extension_review.phrases import UNCLEAR, Said, read_line
from llm_gateway_extension_review.scanning import Block, Line, scan
from llm_gateway_extension_review.state import APPROVED, WITH_CONDITIONS, Finding

_APPROVALS = (APPROVED, WITH_CONDITIONS)
_ENDS_IN_NOT = re.compile(r"\b(?:not|never|no longer|cannot be|n['’]t(?: be)?)(?:\W+yet)?\W*$", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict and the findings of an answer."""

    verdict: str | None = None  #: None: the answer does not count
    findings: tuple[Finding, ...] = ()
    problem: str | None = None  #: the problem of the form


def read_review(text: str, mark: str) -> Judgement:
    """Read a review.

    An approval counts only with readable blocks of findings (an empty list is enough). With a critical or high finding, it becomes
    an approval with conditions. Findings count in any readable form.
    """
    if not text.strip():
        return Judgement(problem="the answer is empty")
    parts = list(scan(text, mark))
    blocks = [part for part in parts if isinstance(part, Block)]
    listed = read_findings(blocks)
    verdict, why = _last_word(parts)
    if verdict in _APPROVALS and not all(block.closed for block in blocks):
        verdict, why = None, f"it says {verdict}, but one of its code blocks has no end, so its own words are not known"
    if verdict is None:
        return Judgement(findings=listed.findings, problem=why)
    if verdict in _APPROVALS and listed.problem:
        return Judgement(findings=listed.findings, problem=f"it says {verdict}, but {listed.problem}")
    if verdict == APPROVED and blocking(listed.findings):
        return Judgement(
            verdict=WITH_CONDITIONS,
            findings=listed.findings,
            problem="it says APPROVED beside critical or high findings: taken as APPROVED_WITH_CONDITIONS",
        )
    return Judgement(verdict=verdict, findings=listed.findings, problem=listed.problem)


def _last_word(parts: Iterable[Line | Block]) -> tuple[str | None, str | None]:
    """Return the verdict of the last part that is about it, or the reason why there is none."""
    last: str | None = None
    shown, before = "", ""
    for part in parts:
        found = _said_by(part)
        if found is None:
            pass
        elif found.verdict in _APPROVALS and _ENDS_IN_NOT.search(before):  # there was a line break after "not"
            last, shown = UNCLEAR, f"{before} {_shown(part)}"
        else:
            last, shown = found.verdict, _shown(part)
        if isinstance(part, Line) and not part.quoted and part.text.strip():
            before = part.text.strip()
    if last is None:
        return None, "the answer has no verdict line"
    if last == UNCLEAR:
        return None, f"its last line on the verdict is not clear: {shown}"
    return last, None


def _said_by(part: Line | Block) -> Said | None:
    """Return the verdict that a part may state."""
    if isinstance(part, Block):
        said = None if part.evidence else json_of(part)
        value = said.get("verdict") if isinstance(said, dict) else None
        found = None if value is None else read_line(f"Verdict: {value}")
        return found if found and found.verdict not in _APPROVALS else None
    found = read_line(part.text)
    if found is None or not part.quoted:
        return found
    return None if found.mention or found.verdict in _APPROVALS else found


def _shown(part: Line | Block) -> str:
    return " ".join(part.text.split())[:200]
