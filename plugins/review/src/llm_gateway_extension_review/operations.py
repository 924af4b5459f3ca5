"""The operations: begin a run, wait for it, fetch its result."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from anyio import to_thread
from pydantic import Field

from llm_gateway import CallContext, Gateway, JobId, JobState, Wire, operation, working_directory
from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway_extension_review.evidence import Evidence, collect, settle
from llm_gateway_extension_review.listing import ReviewList, rows_of
from llm_gateway_extension_review.report import NO_INSTRUCTIONS
from llm_gateway_extension_review.result import Format, ReviewResult, latest, result_of
from llm_gateway_extension_review.reviews import reviews_of
from llm_gateway_extension_review.rounds import CUT, answer_name
from llm_gateway_extension_review.state import ASK_MANY, CONSENSUS, REVIEW, UNTIL_APPROVED, Reviewer, Run, Scope, Turn

_Reviewers = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=12,
        description="Who answers: provider or provider:model, such as codex. One named twice answers twice.",
    ),
]
_REVIEWER = r"^[a-z][a-z0-9_]*(:[^-\s][^\s]*)?$"
_OneReviewer = Annotated[str, Field(pattern=_REVIEWER, max_length=400)]
_TimeoutMs = Annotated[int, Field(ge=1, le=24 * 3_600_000)]
_REVIEW_ID = "The reviewId that an earlier call returned."


class Asking(Wire):
    """The parameters of every run."""

    providers: _Reviewers
    working_dir: str | None = Field(
        None, description="Absolute path the agents work in. Default: the client's directory."
    )
    timeout_ms: _TimeoutMs | None = Field(None, description="End an agent's turn after this time.")


class ReviewParams(Asking):
    """The parameters of a review."""

    range: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="Review commits, as in git diff: main...HEAD. A single one is compared with the working tree."
    )
    uncommitted: bool = Field(False, description="Review what is not committed, new files included. The default.")
    files: Annotated[list[str], Field(max_length=200)] | None = Field(
        None, description="Review these whole files, by their paths in workingDir."
    )
    text: str | None = Field(None, description="Review this text, such as a plan.")
    instructions: Annotated[str, Field(max_length=20_000)] | None = Field(
        None, description="What the reviewers should look for."
    )
    quorum: Annotated[int, Field(ge=1)] | None = Field(None, description="How many must approve. Default: all.")


class UntilParams(ReviewParams):
    """The parameters of a review with an implementer."""

    implementer: Annotated[_OneReviewer, Field(description="Who fixes the findings: provider or provider:model.")]
    posture: Literal["accept_edits", "workspace_write", "bypass"] = Field(
        "accept_edits", description="What the implementer may do unasked, as in a request."
    )
    max_rounds: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="After this many rounds the user must decide (escalate)."
    )


class ManyParams(Asking):
    """The parameters of a question to several agents."""

    prompt: Annotated[str, Field(min_length=1, description="The question to each agent.")]
    posture: Literal["read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass"] = Field(
        "read_only", description="What the agents may do unasked, as in a request."
    )


class ConsensusParams(ManyParams):
    """The parameters of a question with a count of agreement."""

    choices: Annotated[list[str], Field(max_length=20)] | None = Field(
        None, description="The possible answers. Agents choose one, and they are counted."
    )
    judge: _OneReviewer | None = Field(
        None, description="Agent that compares the answers, instead of counting: provider or provider:model."
    )
    quorum: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How many must agree. Default: more than half."
    )


class WaitParams(Wire):
    """A run, and how long to wait for it."""

    review_id: str = Field(description=_REVIEW_ID)
    timeout_ms: Annotated[int, Field(ge=0, le=50_000)] = Field(
        45_000, description="Return after this time in any case."
    )


class CancelParams(Wire):
    """One run."""

    review_id: str = Field(description=_REVIEW_ID)


class ResultParams(Wire):
    """A run, and the format of its report."""

    review_id: str = Field(description=_REVIEW_ID)
    format: Format = Field("text", description="Form of the report. github: annotations; sarif: code scanning.")


class ListParams(Wire):
    """The size of a list."""

    limit: Annotated[int, Field(ge=1, le=500)] = Field(20, description="Return at most this many, the newest.")


async def review(gateway: Gateway, params: ReviewParams, context: CallContext) -> ReviewResult:
    """Have several agents review range, uncommitted (default), files or text, read-only; returns a verdict by quorum and merged findings. While status is deferred: review_wait."""
    return await _wait(gateway, await begin_review(gateway, params, context), context)


async def until_approved(gateway: Gateway, params: UntilParams, context: CallContext) -> ReviewResult:
    """As review; then the implementer fixes the findings and the reviewers look again, until they approve or maxRounds is reached. Changes files. While deferred: review_wait."""
    return await _wait(gateway, await begin_review(gateway, params, context), context)


async def ask_many(gateway: Gateway, params: ManyParams, context: CallContext) -> ReviewResult:
    """Ask several agents one question; returns their answers side by side. While deferred: review_wait."""
    return await _wait(gateway, await begin_question(gateway, params, context), context)


async def consensus(gateway: Gateway, params: ConsensusParams, context: CallContext) -> ReviewResult:
    """As ask_many, then tell who agrees and who dissents, by a judge or by counting. While deferred: review_wait."""
    return await _wait(gateway, await begin_question(gateway, params, context), context)


async def wait(gateway: Gateway, params: WaitParams, context: CallContext) -> ReviewResult:
    """Wait up to 50 s for a review, ask_many or consensus; returns the same as review_result. Call again while deferred."""
    run = await reviews_of(gateway).follow(params.review_id, context, params.timeout_ms / 1000)
    return await tell(gateway, run, "text")


async def cancel(gateway: Gateway, params: CancelParams, context: CallContext) -> ReviewResult:
    """End a review, ask_many or consensus and all its jobs; returns what there is."""
    return await tell(gateway, await reviews_of(gateway).cancel(params.review_id, context), "text")


async def result(gateway: Gateway, params: ResultParams, context: CallContext) -> ReviewResult:
    """Return the state or result of a review, ask_many or consensus, at once and in a format of your choice."""
    return await tell(gateway, await reviews_of(gateway).known(params.review_id, context), params.format)


async def list_reviews(gateway: Gateway, params: ListParams, context: CallContext) -> ReviewList:
    """List your reviews, ask_many and consensus calls, newest first: reviewId, subject, status, verdict. Then review_result."""
    folder = reviews_of(gateway).folder
    return ReviewList(reviews=await to_thread.run_sync(rows_of, folder, context.principal, params.limit))


def _left_out(gateway: Gateway, reviewers: Sequence[Reviewer]) -> tuple[str, ...]:
    read = any("instructions" in gateway.supports(reviewer.provider) for reviewer in reviewers)
    return (NO_INSTRUCTIONS,) if read else ()


async def begin_review(gateway: Gateway, params: ReviewParams, context: CallContext) -> Run:
    """Collect the evidence and begin the review. Raises InvalidRequest."""
    reviewers = _reviewers(gateway, params.providers)
    directory = (await working_directory(params.working_dir, context, gateway.environ)).path
    text = params.text or ""

    def look() -> tuple[Scope, Evidence]:
        files = tuple(params.files or ())
        scope = settle(directory, params.range, params.uncommitted, files, params.text)
        return scope, collect(directory, scope, text, again=False)

    scope, evidence = await to_thread.run_sync(look)
    until = params if isinstance(params, UntilParams) else None
    run = _run(gateway, UNTIL_APPROVED if until else REVIEW, reviewers, params, context=context, directory=directory)
    run = replace(
        run,
        scope=scope,
        quorum=_quorum(params.quorum, reviewers, len(reviewers)),
        instructions=params.instructions or "",
        notes=((CUT,) if evidence.cut else ()) + evidence.notes + _left_out(gateway, reviewers),
    )
    if until:
        implementer = _reviewers(gateway, [until.implementer], needed=True)[0]
        run = replace(
            run,
            implementer=replace(implementer, name="implementer"),
            fix_posture=until.posture,
            max_rounds=until.max_rounds,
        )
    await reviews_of(gateway).begin(run, {"text.txt": text, "evidence-1.txt": evidence.text})
    return run


async def begin_question(gateway: Gateway, params: ManyParams, context: CallContext) -> Run:
    """Begin the question. Raises InvalidRequest."""
    if not params.prompt.strip():
        raise InvalidRequest("prompt is empty")
    reviewers = _reviewers(gateway, params.providers)
    agreed = params if isinstance(params, ConsensusParams) else None
    directory = (await working_directory(params.working_dir, context, gateway.environ)).path
    run = _run(gateway, CONSENSUS if agreed else ASK_MANY, reviewers, params, context=context, directory=directory)
    run = replace(run, posture=params.posture)
    if agreed:
        if agreed.judge and agreed.choices:
            raise InvalidRequest("choices are counted without a judge: pass either choices or judge")
        judge = _reviewers(gateway, [agreed.judge], needed=True)[0] if agreed.judge else None
        run = replace(
            run,
            judge=judge and replace(judge, name="judge"),
            choices=tuple(agreed.choices or ()),
            quorum=_quorum(agreed.quorum, reviewers, len(reviewers) // 2 + 1),
        )
    await reviews_of(gateway).begin(run, {"text.txt": params.prompt})
    return run


async def tell(gateway: Gateway, run: Run, form: Format) -> ReviewResult:
    """Return the result with the texts that it needs."""
    folder = reviews_of(gateway).folder

    def words() -> dict[str, str]:
        found = {}
        for turn in latest(run):
            if run.kind in (ASK_MANY, CONSENSUS) or (turn.verdict != "APPROVED" and not turn.findings):
                found[turn.reviewer] = folder.read(run.id, answer_name(turn)) or ""
        return found

    doing = {turn.reviewer: await _doing(gateway, turn) for turn in run.turns if turn.status == "running"}
    return result_of(run, await to_thread.run_sync(words), doing, form)


async def _doing(gateway: Gateway, turn: Turn) -> str:
    """Return the latest event of a running agent."""
    job = await gateway.store.get_job(JobId(turn.job_id)) if turn.job_id else None
    if job is None or job.state is not JobState.RUNNING:
        return job.state.value if job else ""
    try:
        live = await gateway.jobs.output(job)
        await to_thread.run_sync(live.advance)
    except GatewayError:  # its job files do not exist yet, or no longer
        return ""
    return live.latest.text[:200] if live.latest else ""


async def _wait(gateway: Gateway, run: Run, context: CallContext) -> ReviewResult:
    limit = gateway.settings.sync_deadline_s or None
    return await tell(gateway, await reviews_of(gateway).follow(run.id, context, limit), "text")


def _run(
    gateway: Gateway,
    kind: str,
    reviewers: tuple[Reviewer, ...],
    params: Asking,
    *,
    context: CallContext,
    directory: str,
) -> Run:
    if not gateway.defers:
        raise InvalidRequest("the plugin operations is not loaded, and background jobs need it: install or enable it")
    return Run(
        id=f"rv-{secrets.token_hex(8)}",
        kind=kind,
        principal=context.principal,
        remote=context.remote,
        working_dir=directory,
        created_at=datetime.now(timezone.utc),
        reviewers=reviewers,
        quorum=len(reviewers),
        mark=secrets.token_hex(16),
        timeout_ms=params.timeout_ms,
    )


def _reviewers(gateway: Gateway, named: Sequence[str], *, needed: bool = False) -> tuple[Reviewer, ...]:
    """Return one reviewer for each name. A provider that is not installed fails only its reviewer.

    Raises InvalidRequest if no provider is installed, or one that is `needed` is not.
    """
    reviewers, seen = [], Counter[str]()
    for name in named:
        if not re.match(_REVIEWER, name):
            raise InvalidRequest(f"{name!r} is not a provider and not provider:model")
        provider, _, model = name.partition(":")
        seen[provider] += 1
        number = f"-{seen[provider]}" if seen[provider] > 1 else ""
        reviewers.append(Reviewer(name=f"{provider}{number}", provider=provider, model=model or None))
    missing = [reviewer.provider for reviewer in reviewers if reviewer.provider not in gateway.providers]
    if len(missing) == len(reviewers) or (needed and missing):
        here = ", ".join(sorted(gateway.providers)) or "none"
        raise InvalidRequest(f"no provider {missing[0]} is installed (installed: {here})")
    return tuple(reviewers)


def _quorum(given: int | None, reviewers: Sequence[Reviewer], usual: int) -> int:
    if given is not None and given > len(reviewers):
        raise InvalidRequest(f"quorum {given} cannot be reached by {len(reviewers)} reviewers")
    return given or usual


def _words(found: ReviewResult) -> str:
    return found.report or found.model_dump_json(by_alias=True, exclude_none=True)


def _words_and_id(found: ReviewResult) -> str:
    """Return the text with the id of the run, for clients whose model sees only text and needs the id for further calls."""
    words = _words(found)
    return words if not found.review_id or found.review_id in words else f"{words}\n\nreviewId: {found.review_id}"


def _failed(found: ReviewResult) -> bool:
    return found.status == "failed"


_BEGINNING: dict[str, Any] = {
    "text": _words_and_id,
    "failed": _failed,
    "read_only": False,
    "idempotent": False,
    "open_world": True,
}
OPERATIONS = [
    operation("review", "Review", review, ReviewParams, ReviewResult, **_BEGINNING),
    operation(
        "review_until_approved",
        "Review until approved",
        until_approved,
        UntilParams,
        ReviewResult,
        **_BEGINNING,
        destructive=True,
    ),
    operation("ask_many", "Ask many", ask_many, ManyParams, ReviewResult, **_BEGINNING),
    operation("consensus", "Consensus", consensus, ConsensusParams, ReviewResult, **_BEGINNING),
    operation("review_wait", "Wait for a review", wait, WaitParams, ReviewResult, text=_words_and_id, failed=_failed),
    operation(
        "review_cancel",
        "Cancel a review",
        cancel,
        CancelParams,
        ReviewResult,
        text=_words_and_id,
        failed=_failed,
        destructive=True,
    ),
    operation("review_result", "Review result", result, ResultParams, ReviewResult, text=_words, failed=_failed),
    operation("review_list", "List reviews", list_reviews, ListParams, ReviewList),
]
