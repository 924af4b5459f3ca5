"""One reviewer's turn: an ordinary job, started once whoever dies meanwhile, and what its answer comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from llm_gateway import CallContext, Gateway, JobId, RequestResult, answer
from llm_gateway.errors import (
    ApprovalNeeded,
    GatewayError,
    NotInstalled,
    SessionNotFound,
    SessionNotResumable,
    StoreUnavailable,
)
from llm_gateway_extension_review.state import Reviewer, Run, Turn

_LOOK_BACK = 500  #: jobs of the provider among which a lost one is looked for: it was started seconds before a crash
_NOBODY = (
    "A review goes on without its caller, so it asks no person: let the policy allow this, "
    "or ask this provider alone, where somebody can answer."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a reviewer is asked."""

    rules: str  #: the stable beginning
    task: str
    posture: str
    anew: str | None = None  #: the task where the conversation cannot go on; None: it is a first turn
    session_id: str | None = None
    servers: bool = False  #: give it the MCP servers that the settings name
    reuse: bool = False  #: the same question may be answered by the same job


async def find_lost(gateway: Gateway, run: Run, reviewer: Reviewer, turn: Turn) -> str | None:
    """The job of a turn whose gateway was killed before it could write down the job's id."""
    jobs = await gateway.store.list_jobs(principal=run.principal, provider=reviewer.provider, limit=_LOOK_BACK)
    return next((job.id for job in jobs if job.correlation_id == turn.correlation_id), None)


async def start(gateway: Gateway, run: Run, reviewer: Reviewer, turn: Turn, question: Question) -> Turn:
    """Start the job of a turn; where that is refused, the turn has failed, and no other one."""
    try:
        if f"{reviewer.provider}_request_async" not in gateway.operations:
            raise NotInstalled(f"no provider {reviewer.provider} is installed")
        try:
            job_id = await _submit(gateway, run, reviewer, turn, question)
        except (SessionNotFound, SessionNotResumable):
            if question.anew is None:
                raise
            job_id = await _submit(gateway, run, reviewer, turn, replace(question, session_id=None, task=question.anew))
    except StoreUnavailable:
        raise
    except ApprovalNeeded as error:
        return replace(turn, status="failed", error_code=error.code, problem=f"{error.message} {_NOBODY}")
    except GatewayError as error:
        problem = " ".join(filter(None, (error.message, error.recovery)))
        return replace(turn, status="failed", error_code=error.code, problem=problem)
    return replace(turn, status="running", job_id=job_id)


async def finish(gateway: Gateway, turn: Turn) -> tuple[Turn, str]:
    """Wait for the end of a turn's job: the turn as it ended, and the words of the answer."""
    assert turn.job_id
    await gateway.jobs.wait([JobId(turn.job_id)], until_all=True, timeout_s=None)
    job = await gateway.store.get_job(JobId(turn.job_id))
    if job is None:
        return replace(turn, status="failed", problem="its job is not kept any more"), ""
    result = await answer(gateway, job)
    ended = replace(
        turn,
        status=result.status,
        session_id=result.gateway_session_id if result.resumable else None,
        usage=result.usage or {},
        cost_usd=result.cost_usd,
        duration_ms=result.duration_ms,
    )
    if result.status == "completed":
        return ended, await _whole(gateway, result)
    error = result.error or {}
    why = error.get("providerMessage") or error.get("message") or f"its job was {result.status}"
    return replace(ended, error_code=error.get("code"), problem=str(why)[:2000]), ""


async def cancel(gateway: Gateway, turn: Turn) -> None:
    """End a turn's job, if it goes on."""
    job = await gateway.store.get_job(JobId(turn.job_id)) if turn.job_id else None
    if job is not None and not job.state.ended:
        await gateway.jobs.cancel(job)


async def _submit(gateway: Gateway, run: Run, reviewer: Reviewer, turn: Turn, question: Question) -> str:
    held = gateway.supports(reviewer.provider)
    asked: dict[str, Any] = {
        "promptParts": {"system": question.rules, "task": question.task},
        "posture": question.posture,
        "workingDir": run.working_dir,
        "correlationId": turn.correlation_id,
    }
    if not question.reuse:
        asked["forceRefresh"] = True
    if "sessionId" in held:
        asked |= {"sessionId": question.session_id} if question.session_id else {"createNewSession": True}
    if "mcpServers" in held and not question.servers:
        asked["mcpServers"] = []
    if reviewer.model:
        asked["model"] = reviewer.model
    if run.timeout_ms:
        asked["timeoutMs"] = run.timeout_ms
    context = CallContext(principal=run.principal, remote=run.remote)
    accepted = await gateway.call(f"{reviewer.provider}_request_async", asked, context)
    job: Mapping[str, Any] = accepted.model_dump()["job"]
    return str(job["id"])


async def _whole(gateway: Gateway, result: RequestResult) -> str:
    """The answer to its end: where the verdict stands."""
    text, job_id = result.text, JobId(result.job_id)
    while result.next_offset is not None:
        job = await gateway.store.get_job(job_id)
        if job is None:
            break
        result = await answer(gateway, job, offset=result.next_offset)
        text += result.text
    return text
