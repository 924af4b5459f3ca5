"""The result of a run in its wire form."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from llm_gateway import Wire, stamp
from llm_gateway_extension_review.annotations import github, sarif
from llm_gateway_extension_review.counting import quorum_of
from llm_gateway_extension_review.findings import merge
from llm_gateway_extension_review.report import markdown, text
from llm_gateway_extension_review.state import ASK, FIX, LOOK, REVIEW, UNTIL_APPROVED, Run, Turn

Format = Literal["text", "json", "markdown", "github", "sarif"]
REPORTS = {"text": text, "markdown": markdown, "github": github, "sarif": sarif}
_LONGEST_ANSWER = 200_000


class ReviewResult(Wire):
    """The state of a run."""

    review_id: str
    kind: str
    status: str  #: completed, escalate, failed, canceled; `deferred` while it runs
    verdict: str | None = None
    quorum: dict[str, int] | None = None
    round: int
    max_rounds: int | None = None
    reviewers: list[dict[str, Any]]
    fixes: list[dict[str, Any]] = Field(default_factory=list)
    findings: list[dict[str, Any]] = Field(default_factory=list)
    consensus: dict[str, Any] | None = None
    problem: str | None = None
    notes: list[str] = Field(default_factory=list)
    cost_usd: float | None = None
    started_at: str | None = None
    ended_at: str | None = None
    report: str | None = None
    next: str | None = None


def result_of(run: Run, answers: dict[str, str], doing: dict[str, str], form: Format = "text") -> ReviewResult:
    """Return the result.

    :param answers: the texts of reviewers by name: all for a question; for a review, those without readable findings.
    :param doing: the latest events of running reviewers.
    """
    looking = run.kind in (REVIEW, UNTIL_APPROVED)
    turns = latest(run)
    costs = [turn.cost_usd for turn in run.turns if turn.cost_usd is not None]
    found = ReviewResult(
        review_id=run.id,
        kind=run.kind,
        status=run.status if run.ended else "deferred",
        verdict=run.verdict,
        quorum=quorum_of(run)
        if looking
        else {"needed": run.quorum, "of": len(run.reviewers)}
        if run.consensus
        else None,
        round=run.round if looking else 1,
        max_rounds=run.max_rounds if run.kind == UNTIL_APPROVED else None,
        reviewers=[_reviewer(run, turn, answers, doing) for turn in turns],
        fixes=[_view(run, turn, doing) for turn in run.turns if turn.role == FIX],
        findings=[merged.to_wire() for merged in merge(turns)],
        consensus=dict(run.consensus) if run.consensus else None,
        problem=run.problem,
        notes=list(run.notes),
        cost_usd=sum(costs) if costs else None,
        started_at=stamp(run.created_at),
        ended_at=stamp(run.ended_at),
        next=None if run.ended else f'It continues. review_wait {{"reviewId": "{run.id}"}}, as often as needed.',
    )
    if form == "json":
        return found
    return found.model_copy(update={"report": REPORTS[form](found.model_dump(by_alias=True, exclude_none=True))})


def latest(run: Run) -> list[Turn]:
    """Return the last turn of every reviewer that has one."""
    role = LOOK if run.kind in (REVIEW, UNTIL_APPROVED) else ASK
    last = {turn.reviewer: turn for turn in run.turns if turn.role == role}
    return [last[reviewer.name] for reviewer in run.reviewers if reviewer.name in last]


def _reviewer(run: Run, turn: Turn, answers: dict[str, str], doing: dict[str, str]) -> dict[str, Any]:
    words = answers.get(turn.reviewer, "")
    shown = {"answer": words[:_LONGEST_ANSWER], "position": turn.position, "findings": len(turn.findings) or None}
    if len(words) > _LONGEST_ANSWER:
        shown["answerCut"] = True
    return {**_view(run, turn, doing), **{name: value for name, value in shown.items() if value}}


def _view(run: Run, turn: Turn, doing: dict[str, str]) -> dict[str, Any]:
    reviewer = next(
        each for each in (*run.reviewers, *([run.implementer] if run.implementer else ())) if each.name == turn.reviewer
    )
    own = turn.role == LOOK and run.implementer is not None and run.implementer.provider == reviewer.provider
    known = {
        "model": reviewer.model,
        "verdict": turn.verdict,
        "problem": turn.problem,
        "errorCode": turn.error_code,
        "jobId": turn.job_id,
        "gatewaySessionId": turn.session_id,
        "usage": dict(turn.usage),
        "costUsd": turn.cost_usd,
        "durationMs": turn.duration_ms,
        "doing": doing.get(turn.reviewer) if turn.status == "running" else None,
        "attempt": turn.attempt if turn.attempt > 1 else None,
        "carried": turn.carried,
        "ownWork": own,
    }
    head = {"reviewer": reviewer.name, "provider": reviewer.provider, "round": turn.round, "status": turn.status}
    return head | {name: value for name, value in known.items() if value not in (None, False, {})}
