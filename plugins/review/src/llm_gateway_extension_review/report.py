"""Format a result for people: plain text and Markdown. In texts of agents, headings, links and control characters have no effect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_gateway import one_line, without_controls

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|!])")
#: The beginning of each note about material that reviewers did not get.
NOT_SHOWN = "not_shown: "
NO_INSTRUCTIONS = "no_instructions: reviewers did not get instruction files such as AGENTS.md, because the change may have edited them"
_NAMED = 3  #: how many of these notes are named beside the verdict
_OPENING = {
    "APPROVED": "Approved.",
    "APPROVED_WITH_CONDITIONS": "Approved with conditions.",
    "NOT_APPROVED": "Not approved.",
    "NO_QUORUM": "No verdict: too few reviewers gave a valid verdict.",
}

Result = Mapping[str, Any]


def text(result: Result) -> str:
    """Return the result for a terminal, or for a client that reads only text."""
    lines = [_head(result)]
    lines += [_reviewer_line(reviewer) for reviewer in result["reviewers"]]
    lines += [
        f"  {fix['provider']} worked on the findings of round {fix['round']}: {one_line(fix.get('problem') or fix['status'])}"
        for fix in result.get("fixes", ())
    ]
    lines += [f"note: {note}" for note in result.get("notes", ())]
    if result.get("findings"):
        lines += ["", "Findings:"]
    for number, finding in enumerate(result.get("findings", ()), 1):
        reviewers = ", ".join(finding["saidBy"])
        lines.append(f"{number}. [{finding['severity']}] {_place(finding)}{one_line(finding['title'])} ({reviewers})")
        lines += [f"   {one_line(finding[name])}" for name in ("detail", "suggestion") if finding.get(name)]
        lines += [
            f"   {other['reviewer']} says: {one_line(other.get('title', ''))}" for other in finding.get("alsoSaid", ())
        ]
    lines += _consensus(result)
    for reviewer in result["reviewers"]:
        if reviewer.get("answer"):
            lines += ["", f"--- {reviewer['reviewer']}", without_controls(reviewer["answer"])]
    if result.get("next"):
        lines += ["", result["next"]]
    return "\n".join(lines)


def markdown(result: Result) -> str:
    """Return the result for a comment on a pull request."""
    lines = [f"### {_plain(_head(result))}", "", "| reviewer | says | what |", "|---|---|---|"]
    for reviewer in result["reviewers"]:
        said = reviewer.get("verdict") or reviewer.get("position") or reviewer["status"]
        lines.append(f"| {_name(reviewer)} | {_plain(said)} | {_plain(reviewer.get('problem', ''))} |")
    lines += ["", *(f"> {_plain(note)}" for note in result.get("notes", ()))]
    for finding in result.get("findings", ()):
        reviewers = ", ".join(finding["saidBy"])
        lines.append(f"- **{finding['severity']}** {_plain(_place(finding))}{_plain(finding['title'])} _({reviewers})_")
        lines += [f"  {_plain(finding[name])}" for name in ("detail", "suggestion") if finding.get(name)]
    lines += [_plain(line) for line in _consensus(result)]
    for reviewer in result["reviewers"]:
        if reviewer.get("answer"):
            quoted = [f"> {_plain(line)}" for line in reviewer["answer"].splitlines()]
            lines += ["", f"**{reviewer['reviewer']}**", "", *quoted]
    return "\n".join(lines).rstrip() + "\n"


def _head(result: Result) -> str:
    quorum = result.get("quorum") or {}
    if result["status"] == "deferred":
        opening = f"Not over yet (round {result['round']})."
    elif result["status"] == "failed":
        opening = "Failed."
    elif result["kind"] in ("ask_many", "consensus"):
        opening = ""
    else:
        opening = _OPENING.get(result.get("verdict", ""), result["status"].capitalize() + ".")
    parts = [opening]
    if "approvals" in quorum:
        parts.append(f"{quorum['approvals']} of {quorum['of']} approve, {quorum['needed']} needed.")
    elif not opening:
        answered = sum(reviewer["status"] == "completed" for reviewer in result["reviewers"])
        parts = [f"{answered} of {len(result['reviewers'])} have answered."]
    if result.get("maxRounds"):
        parts.append(f"Round {result['round']} of {result['maxRounds']}.")
    if result["status"] == "escalate":
        parts.append("A person must decide.")
    if result.get("problem"):
        parts.append(one_line(result["problem"]))
    if unseen := not_reviewed(result):
        parts.append(unseen)
    return " ".join(filter(None, parts))


def not_reviewed(result: Result) -> str:
    """Return one sentence about the parts of the change that no reviewer got; empty: none are known."""
    unseen = [one_line(note.removeprefix(NOT_SHOWN)) for note in result.get("notes", ()) if note.startswith(NOT_SHOWN)]
    if not unseen:
        return ""
    more = f"; and {len(unseen) - _NAMED} more, see the notes" if len(unseen) > _NAMED else ""
    return f"Not reviewed: {'; '.join(unseen[:_NAMED])}{more}."


def _reviewer_line(reviewer: Mapping[str, Any]) -> str:
    said = reviewer.get("verdict") or reviewer.get("position") or reviewer["status"]
    words = reviewer.get("problem") or reviewer.get("doing")
    why = f": {one_line(words)}" if words else ""
    return f"  {_name(reviewer)}: {one_line(said)}{why}"


def _name(reviewer: Mapping[str, Any]) -> str:
    return str(reviewer["reviewer"]) + (" (reviews its own provider's work)" if reviewer.get("ownWork") else "")


def _consensus(result: Result) -> list[str]:
    said = result.get("consensus")
    if not said:
        return []
    quorum = result["quorum"]
    agreeing = f"{len(said['agreeing'])} of {quorum['of']}, {quorum['needed']} needed"
    head = f"Consensus ({agreeing}): {one_line(said['position'])}" if said["reached"] else f"No consensus ({agreeing})."
    lines = ["", head, *(f"  agreed: {one_line(point)}" for point in said.get("agreement", ()))]
    lines += [f"  {item['reviewer']} dissents: {one_line(item['says'])}" for item in said["dissent"]]
    return [*lines, f"  {one_line(said['problem'])}"] if said.get("problem") else lines


def _place(finding: Mapping[str, Any]) -> str:
    where = ":".join(str(finding[name]) for name in ("file", "line") if finding.get(name))
    return f"{one_line(where)}: " if where else ""


def _plain(words: str) -> str:
    """Return a text without effects in Markdown. A name after @ does not notify a user."""
    words = words.replace("@", "@\u200b")
    return _SPECIAL.sub(r"\\\1", one_line(words))
