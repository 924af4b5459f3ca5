"""The turn of a reviewer: an ordinary job that is started exactly once, even if the gateway is killed, and its answer."""

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

_LOOK_BACK = (
    500  #: number of the provider's newest jobs to search for a lost one, which was started seconds before a crash
)
_UNATTENDED = (
    "A review runs in the background, so it cannot ask a person for approval: change the policy to allow this, "
    "or send the request to this provider directly, where a person can answer."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The prompt and the options of a turn."""

    rules: str  #: the stable beginning of the prompt
    task: str
    posture: str
    anew: str | None = None  #: the task if the conversation cannot be resumed; None: it is a first turn
    session_id: str | None = None
    servers: bool = False  #: pass the MCP servers of the settings to the run
    reuse: bool = False  #: an identical question may use the same job
    instructions: bool = True  #: instruction files of the repository apply


async def find_lost(gateway: Gateway, run: Run, reviewer: Reviewer, turn: Turn) -> str | None:
    """Find the job of a turn whose gateway was killed before it stored the job's id."""
    jobs = await gateway.store.list_jobs(principal=run.principal, provider=reviewer.provider, limit=_LOOK_BACK)
    return next((job.id for job in jobs if job.correlation_id == turn.correlation_id), None)


async def start(gateway: Gateway, run: Run, reviewer: Reviewer, turn: Turn, question: Question) -> Turn:
    """Start the job of a turn. If it is refused, only this turn fails."""
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
        return replace(turn, status="failed", error_code=error.code, problem=f"{error.message} {_UNATTENDED}")
    except GatewayError as error:
        problem = " ".join(filter(None, (error.message, error.recovery)))
        return replace(turn, status="failed", error_code=error.code, problem=problem)
    return replace(turn, status="running", job_id=job_id)


async def finish(gateway: Gateway, turn: Turn) -> tuple[Turn, str]:
    """Wait for the end of a turn's job. Return the ended turn and the text of the answer."""
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
    """Cancel a turn's job if it has not ended."""
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
    if "instructions" in held and not question.instructions:
        asked["instructions"] = False
    if reviewer.model:
        asked["model"] = reviewer.model
    if run.timeout_ms:
        asked["timeoutMs"] = run.timeout_ms
    context = CallContext(principal=run.principal, remote=run.remote)
    accepted = await gateway.call(f"{reviewer.provider}_request_async", asked, context)
    job: Mapping[str, Any] = accepted.model_dump()["job"]
    return str(job["id"])


async def _whole(gateway: Gateway, result: RequestResult) -> str:
    """Return the complete answer: the verdict is at its end."""
    text, job_id = result.text, JobId(result.job_id)
    while result.next_offset is not None:
        job = await gateway.store.get_job(job_id)
        if job is None:
            break
        result = await answer(gateway, job, offset=result.next_offset)
        text += result.text
    return text
