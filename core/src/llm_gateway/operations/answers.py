"""What callers are answered: the results of operations, made from jobs and replies."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from pydantic import Field

from llm_gateway.errors import error_for
from llm_gateway.live import read_reply_text
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.reply import Reply
from llm_gateway.model.usage import Usage
from llm_gateway.operations.checking import Wire

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway

#: A longer reply is cut in the answer (and says so); llm_job_result pages through the rest.
MAX_INLINE_CHARS = 1_000_000


class RequestResult(Wire):
    """The answer to a request, and of llm_job_result."""

    status: str  #: a job's state, or `deferred`
    job_id: str
    provider: str
    text: str = ""
    model: str | None = None
    session_id: str | None = None
    gateway_session_id: str | None = None
    resumable: bool = False
    usage: dict[str, Any] | None = None
    cost_usd: float | None = None
    cost_basis: str = "unknown"
    duration_ms: int | None = None
    exit_code: int | None = None
    deduplicated: bool = False
    original_started_at: str | None = None
    approval: dict[str, Any] | None = None
    mcp_servers: dict[str, Any] | None = None
    empty_output: bool = False
    truncated: bool = False
    warnings: list[dict[str, Any]] = Field(default_factory=list)
    correlation_id: str = ""
    structured_output: Any = None
    error: dict[str, Any] | None = None
    partial: bool | None = None
    next_offset: int | None = None
    next: str | None = None


class AsyncResult(Wire):
    """The answer to an async request."""

    job: dict[str, Any]
    deduplicated: bool
    warnings: list[dict[str, Any]] = Field(default_factory=list)
    next: str


async def answer(
    gateway: Gateway,
    job: Job,
    *,
    deduplicated: bool = False,
    offset: int = 0,
    max_chars: int = MAX_INLINE_CHARS,
    deferred: bool = True,
) -> RequestResult:
    """The answer for a job as it stands. Handing out a final reply is noted in the store.

    :param deferred: a job that has not ended is called `deferred` (it began as a waiting request), else by its state.
    """
    shared: dict[str, Any] = {
        "job_id": job.id,
        "provider": job.provider,
        "gateway_session_id": job.session_id,
        "deduplicated": deduplicated,
        "original_started_at": stamp(job.created_at) if deduplicated else None,
        "approval": dict(job.approval) or None,
        "mcp_servers": dict(job.mcp_servers) or None,
        "correlation_id": job.correlation_id,
    }
    if not job.state.ended:
        return await _unfinished(gateway, job, shared, offset, max_chars, deferred=deferred)
    reply = job.reply or Reply(empty=True)  # canceled before it ran
    if job.fetched_at is None:
        await gateway.store.mark_fetched(job.id, datetime.now(timezone.utc))
    whole = await to_thread.run_sync(read_reply_text, gateway.supervisor.folder(job.id)) or ""
    text = whole[offset : offset + max_chars]
    cut = offset + len(text) < len(whole)
    warnings = [*job.notices, *({"code": n.code, "message": n.message, **n.details} for n in reply.notices)]
    if cut:
        message = f"characters {offset} to {offset + len(text)} of {len(whole)}: llm_job_result pages through the rest"
        warnings.append({"code": "text_cut", "message": message})
    native = reply.native_id
    return RequestResult(
        status=job.state.value,
        text=text,
        model=reply.model or job.model,
        session_id=native,
        resumable=native is not None and "sessionId" in gateway.supports(job.provider),
        usage=usage_wire(reply.usage),
        cost_usd=reply.cost.usd,
        cost_basis=reply.cost.basis.value,
        duration_ms=round(reply.duration_s * 1000),
        exit_code=reply.exit_code,
        empty_output=reply.empty,
        truncated=reply.truncated or cut,
        warnings=[dict(warning) for warning in warnings],
        structured_output=reply.structured,
        error=error_wire(job),
        partial=True if job.state in (JobState.CANCELED, JobState.INTERRUPTED) and text else None,
        next_offset=offset + len(text) if cut else None,
        **shared,
    )


async def _unfinished(
    gateway: Gateway, job: Job, shared: dict[str, Any], offset: int, max_chars: int, *, deferred: bool
) -> RequestResult:
    text = ""
    if job.state is JobState.RUNNING and not deferred:
        live = await gateway.supervisor.live(job)
        await to_thread.run_sync(live.advance)
        text = live.partial_text[offset : offset + max_chars]
    return RequestResult(
        status="deferred" if deferred else job.state.value,
        text=text,
        model=job.model,
        partial=True,
        warnings=[dict(notice) for notice in job.notices],
        next=f'The job goes on. llm_job_wait {{"jobIds": ["{job.id}"]}}, then llm_job_result.',
        **shared,
    )


def reply_text(result: RequestResult) -> str:
    """An answer's words, for clients that read only text."""
    if result.error is not None:
        told = [f"{result.error['code']}: {result.error['message']}"]
        told += [result.error["recovery"]] if result.error.get("recovery") else []
        told += [f"The provider said: {result.error['providerMessage']}"] if result.error.get("providerMessage") else []
        return "\n".join([*told, *([result.text] if result.text else []), f"(job {result.job_id})"])
    if result.next is not None:
        return "\n\n".join(
            part for part in (result.text, f"Status {result.status}, {result.job_id}. {result.next}") if part
        )
    return result.text


def job_view(job: Job) -> dict[str, Any]:
    """A job as lists show it."""
    view: dict[str, Any] = {
        "id": job.id,
        "status": job.state.value,
        "provider": job.provider,
        "model": job.reply.model if job.reply and job.reply.model else job.model,
        "posture": job.posture.value,
        "gatewaySessionId": job.session_id,
        "sessionId": job.reply.native_id if job.reply else None,
        "workingDir": job.working_dir,
        "correlationId": job.correlation_id,
        "createdAt": stamp(job.created_at),
        "startedAt": stamp(job.started_at),
        "endedAt": stamp(job.ended_at),
        "durationMs": round(job.reply.duration_s * 1000) if job.reply else None,
        "errorCode": job.error_code,
    }
    return {name: value for name, value in view.items() if value is not None}


def usage_wire(usage: Usage) -> dict[str, int] | None:
    """Token counts; what is not known is left out."""
    counts = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheCreationTokens": usage.cache_creation_tokens,
        "reasoningTokens": usage.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None} or None


def error_wire(job: Job) -> dict[str, Any] | None:
    """The `error` object of a job that did not end well."""
    failure = job.reply.failure if job.reply else None
    if failure is None:
        return None
    error = error_for(
        failure.code,
        failure.message,
        recovery=failure.recovery,
        provider_message=failure.provider_message,
        reset_at=failure.reset_at,
    )
    return error.to_wire()


def stamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z") if moment else None
