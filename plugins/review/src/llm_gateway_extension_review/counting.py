"""From what each reviewer said to what all of them say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llm_gateway_extension_review.state import APPROVED, NO_QUORUM, NOT_APPROVED, WITH_CONDITIONS, Run, Turn


def verdict_of(turns: Sequence[Turn], quorum: int) -> str:
    """Count: who said nothing that counts has not approved.

    So many approvals as the quorum make one; it is without conditions when so many have set none. A no that the quorum outvotes
    stays in the answer as what it is.
    """
    said = [turn.verdict for turn in turns]
    approvals = sum(verdict in (APPROVED, WITH_CONDITIONS) for verdict in said)
    if approvals >= quorum:
        return APPROVED if said.count(APPROVED) >= quorum else WITH_CONDITIONS
    return NOT_APPROVED if NOT_APPROVED in said else NO_QUORUM


def quorum_of(run: Run) -> dict[str, int]:
    """The quorum, stated."""
    last = run.of_round(run.round)
    approvals = sum(turn.verdict in (APPROVED, WITH_CONDITIONS) for turn in last)
    return {"needed": run.quorum, "approvals": approvals, "of": len(run.reviewers)}


def agreement(run: Run) -> dict[str, Any]:
    """Who stands together, by the positions as they were said. The largest group wins if it makes the quorum."""
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


def judged(run: Run, said: dict[str, Any]) -> dict[str, Any] | None:
    """What a judge said of the numbered answers; None: it cannot be read. The quorum is counted here, not by the judge."""
    heard = [turn.reviewer for turn in run.of_round(1, "ask") if turn.status == "completed"]
    agree, conclusion = said.get("agree"), said.get("conclusion")
    points, dissent = said.get("agreement", []), said.get("dissent", [])
    lists = isinstance(agree, list) and isinstance(points, list) and isinstance(dissent, list)
    if not lists or not isinstance(conclusion, str) or not conclusion.strip():
        return None
    numbers = {number for number in agree or () if type(number) is int and 1 <= number <= len(heard)}
    agreeing = [reviewer for number, reviewer in enumerate(heard, 1) if number in numbers]
    told = {
        one["answer"]: str(one.get("says") or "")
        for one in dissent
        if isinstance(one, dict) and type(one.get("answer")) is int
    }
    return {
        "reached": len(agreeing) >= run.quorum,
        "position": conclusion.strip(),
        "agreeing": agreeing,
        "agreement": [str(point) for point in points],
        "dissent": [
            {"reviewer": reviewer, "says": told.get(number, "")}
            for number, reviewer in enumerate(heard, 1)
            if number not in numbers
        ],
    }


def _plain(position: str) -> str:
    return " ".join(re.findall(r"\w+", position.casefold()))
