"""The results of operations, made from jobs and replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pydantic import Field

from llm_gateway.model.job import Job, JobState
from llm_gateway.model.reply import Reply
from llm_gateway.operations.listing import stamp, wire_object
from llm_gateway.operations.validation import Wire
from llm_gateway.operations.views import error_view

if TYPE_CHECKING:
    from llm_gateway.model.gateway_api import GatewayApi

#: If callers can fetch the rest later, a longer reply is cut in the answer, with a warning.
MAX_INLINE_CHARS = 1_000_000
_DAY_S = 86_400


class RequestResult(Wire):
    """The answer to a request."""

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
    reused: str | None = None  #: for people: the age of a reused answer, and how to get a new one
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
    reused: str | None = None
    approval: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = Field(default_factory=list)
    next: str


async def answer(
    gateway: GatewayApi,
    job: Job,
    *,
    deduplicated: bool = False,
    reused: str | None = None,
    approval: Mapping[str, Any] | None = None,
    offset: int = 0,
    max_chars: int = MAX_INLINE_CHARS,
) -> RequestResult:
    """Return the answer to a caller that waited for a job, in the job's present state. A final reply is marked as fetched.

    :param reused: the text of `reuse_note` for the job.
    :param approval: the `approval` object of this call, if an earlier call's job answers it; None: the job's own.
    """
    ended = job.state.ended
    reply = job.reply or Reply(empty=ended)  # no reply: the job has not ended, or was canceled before it ran
    if ended and job.fetched_at is None:
        await gateway.store.mark_fetched(job.id, datetime.now(timezone.utc))
        if gateway.settings.jobs.keep_output == "until_fetched":
            await gateway.jobs.keep_only_reply(job)
    most = 0 if not ended else max_chars if gateway.defers else -1
    text = await gateway.jobs.reply(job, offset, most)
    later = not ended and gateway.defers
    cut = bool(text) and offset + len(text) < reply.text_chars
    warnings = [*job.notices, *({"code": n.code, "message": n.message, **n.details} for n in reply.notices)]
    if cut:
        message = f"characters {offset} to {offset + len(text)} of {reply.text_chars}: llm_job_result gives the rest"
        warnings.append({"code": "text_cut", "message": message})
    return RequestResult(
        status=job.state.value if ended else "deferred",
        job_id=job.id,
        provider=job.provider,
        text=text,
        model=reply.model or job.model,
        session_id=reply.native_id,
        gateway_session_id=job.session_id,
        resumable=reply.native_id is not None and "sessionId" in gateway.supports(job.provider),
        usage=wire_object(**asdict(reply.usage)) or None,
        cost_usd=reply.cost.usd,
        cost_basis=reply.cost.basis.value,
        duration_ms=round(reply.duration_s * 1000) if ended else None,
        exit_code=reply.exit_code,
        deduplicated=deduplicated,
        original_started_at=stamp(job.created_at) if deduplicated else None,
        reused=reused,
        approval=dict(approval or job.approval) or None,
        mcp_servers=dict(job.mcp_servers) or None,
        empty_output=reply.empty,
        truncated=reply.truncated or cut,
        warnings=[dict(warning) for warning in warnings],
        correlation_id=job.correlation_id,
        structured_output=reply.structured,
        error=error_view(job),
        partial=True if not ended or (job.state in (JobState.CANCELED, JobState.INTERRUPTED) and text) else None,
        next_offset=offset + len(text) if cut else None,
        next=f'The job continues. llm_job_wait {{"jobIds": ["{job.id}"]}}, then llm_job_result.' if later else None,
    )


def failed(result: RequestResult) -> bool:
    """Return whether the result is a failure."""
    return result.error is not None


def reply_text(result: RequestResult) -> str:
    """Return an answer as text, for clients that read only text."""
    if result.error is not None:
        provider_message = result.error.get("providerMessage")
        lines = [f"{result.error['code']}: {result.error['message']}", result.error.get("recovery")]
        lines += [provider_message and f"The provider said: {provider_message}", result.text, f"(job {result.job_id})"]
        return "\n".join(filter(None, lines))
    if result.reused is not None:
        return f"{result.text}\n\n({result.reused})"
    if result.next is not None:
        return "\n\n".join(filter(None, (result.text, f"Status {result.status}, {result.job_id}. {result.next}")))
    return result.text


def reuse_note(job: Job, now: datetime, remedy: str = "forceRefresh") -> str | None:
    """Return a note that a finished job answered an earlier call, with its local time and its age; None while the job runs.

    :param remedy: the parameter that starts a new run.
    """
    if job.ended_at is None:
        return None
    clock, age_s = job.ended_at.astimezone(), max(0, round((now - job.ended_at).total_seconds()))
    when = f"{clock:%H:%M}" if age_s < _DAY_S else f"{clock:%Y-%m-%d %H:%M}"
    return f"answer from {when}, {_age(age_s)} ago; use {remedy} for a new run"


def _age(seconds: int) -> str:
    for name, size in (("day", _DAY_S), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            number = seconds // size
            return f"{number} {name}{'s' if number > 1 else ''}"
    return "less than a second"
