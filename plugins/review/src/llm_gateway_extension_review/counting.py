"""Combine the verdicts and positions of all reviewers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llm_gateway_extension_review.state import APPROVED, NO_QUORUM, NOT_APPROVED, WITH_CONDITIONS, Run, Turn


def verdict_of(turns: Sequence[Turn], quorum: int) -> str:
    """Return the verdict of all. A reviewer without a valid verdict does not approve.

    The result is an approval if the number of approvals reaches the quorum; it has no conditions if the approvals without
    conditions alone reach it. Outvoted refusals stay in the answer.
    """
    verdicts = [turn.verdict for turn in turns]
    approvals = sum(verdict in (APPROVED, WITH_CONDITIONS) for verdict in verdicts)
    if approvals >= quorum:
        return APPROVED if verdicts.count(APPROVED) >= quorum else WITH_CONDITIONS
    return NOT_APPROVED if NOT_APPROVED in verdicts else NO_QUORUM


def quorum_of(run: Run) -> dict[str, int]:
    """Return the needed and the given approvals of the last round."""
    last = run.of_round(run.round)
    approvals = sum(turn.verdict in (APPROVED, WITH_CONDITIONS) for turn in last)
    return {"needed": run.quorum, "approvals": approvals, "of": len(run.reviewers)}


def agreement(run: Run) -> dict[str, Any]:
    """Group reviewers by the text of their positions. The largest group decides if it reaches the quorum."""
    groups: dict[str, list[Turn]] = {}
    for turn in run.of_round(1, "ask"):
        if turn.position:
            groups.setdefault(_plain(turn.position), []).append(turn)
    ranked = sorted(groups.values(), key=len, reverse=True)
    largest = ranked[0] if ranked and (len(ranked) == 1 or len(ranked[0]) > len(ranked[1])) else []
    reached = len(largest) >= run.quorum
    return {
        "reached": reached,
        "position": largest[0].position if reached else None,
        "agreeing": [turn.reviewer for turn in largest] if reached else [],
        "dissent": [
            {"reviewer": turn.reviewer, "says": turn.position}
            for group in ranked
            if not (reached and group is largest)
            for turn in group
        ],
    }


def judged(run: Run, judgement: dict[str, Any]) -> dict[str, Any] | None:
    """Read a judge's answer about the numbered answers; None: it is invalid. The quorum is counted here, not by the judge."""
    answered = [turn.reviewer for turn in run.of_round(1, "ask") if turn.status == "completed"]
    agree, conclusion = judgement.get("agree"), judgement.get("conclusion")
    points, dissent = judgement.get("agreement", []), judgement.get("dissent", [])
    lists = isinstance(agree, list) and isinstance(points, list) and isinstance(dissent, list)
    if not lists or not isinstance(conclusion, str) or not conclusion.strip():
        return None
    numbers = {number for number in agree or () if type(number) is int and 1 <= number <= len(answered)}
    agreeing = [reviewer for number, reviewer in enumerate(answered, 1) if number in numbers]
    objections = {
        item["answer"]: str(item.get("says") or "")
        for item in dissent
        if isinstance(item, dict) and type(item.get("answer")) is int
    }
    return {
        "reached": len(agreeing) >= run.quorum,
        "position": conclusion.strip(),
        "agreeing": agreeing,
        "agreement": [str(point) for point in points],
        "dissent": [
            {"reviewer": reviewer, "says": objections.get(number, "")}
            for number, reviewer in enumerate(answered, 1)
            if number not in numbers
        ],
    }


def _plain(position: str) -> str:
    return " ".join(re.findall(r"\w+", position.casefold()))
