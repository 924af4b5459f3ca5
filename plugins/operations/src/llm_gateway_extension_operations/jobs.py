"""The operations on jobs: status, result, wait, cancel, list."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from anyio import to_thread
from pydantic import Field

from llm_gateway import (
    MAX_INLINE_CHARS,
    CallContext,
    Event,
    Gateway,
    Job,
    JobId,
    JobState,
    RequestResult,
    Resource,
    RunView,
    Wire,
    answer,
    error_view,
    job_view,
    operation,
    reply_text,
    stamp,
    wire_object,
)
from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway_extension_operations.parameters import JobIdText, Limit, OneProvider

_RAW_DEFAULT_BYTES = 64 * 1024
_RAW_MAX_BYTES = 1024 * 1024
_CANCEL_WAIT_S = 20.0
#: How long a status call waits until an ended run is concluded; a tenth of it if the run has much output.
_CONCLUDED_S = 0.5
_LITTLE_BYTES = 1_000_000
#: How many characters of answers one wait returns, of all jobs together; a longer answer is fetched with llm_job_result.
_ANSWERS_CHARS = 8_000
_ANSWER_FIELDS = (
    "job_id",
    "status",
    "gateway_session_id",
    "resumable",
    "empty_output",
    "truncated",
    "warnings",
    "error",
)


class JobParams(Wire):
    """One job."""

    job_id: JobIdText


class ResultParams(Wire):
    """One job's reply, or a page of its raw output."""

    job_id: JobIdText
    offset: Annotated[int, Field(ge=0)] = Field(
        0, description="Where the page begins, in characters; with raw in bytes."
    )
    max_chars: Annotated[int, Field(ge=1, le=MAX_INLINE_CHARS)] | None = Field(
        None, description="Length of the page, if the text is too long for you."
    )
    raw: Literal["stdout", "stderr"] | None = Field(
        None, description="Return what the agent printed, instead of its answer. For debugging."
    )


class WaitParams(Wire):
    """Several jobs, and how long to wait for them."""

    job_ids: Annotated[list[JobIdText], Field(min_length=1, max_length=100, description="Ids of the jobs to wait for.")]
    until: Literal["any", "all"] = Field("all", description="Return when one job has ended, or when all have.")
    timeout_ms: Annotated[int, Field(ge=0, le=50_000, description="Return after this time in any case.")] = 45_000
    answers: bool = Field(True, description="Include the answers of ended jobs that are short.")


class ListParams(Wire):
    """Which jobs to list."""

    status: Literal["queued", "running", "completed", "failed", "canceled", "interrupted"] | None = Field(
        None, description="Only jobs in this state."
    )
    provider: OneProvider = None
    limit: Limit = 50


class JobStatus(Wire):
    """The state of a job."""

    job: dict[str, Any]
    age_ms: int
    last_activity_at: str | None = None
    doing: str | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    unread_bytes: int = Field(
        0, description="printed, and not yet looked at for `doing`: a progress reads for 0.1 s at most"
    )
    queue_place: int | None = None
    silence_is_normal: bool
    error: dict[str, Any] | None = None
    next: str | None = None


class RawPage(Wire):
    """A page of raw output: text if the bytes are UTF-8 (cut at a character's end), else base64."""

    job_id: str
    stream: str
    offset: int
    next_offset: int
    size: int
    partial: bool
    text: str | None = None
    base64: str | None = None


class ResultPage(RequestResult):
    """A reply, or with `raw` a page of output in `page`."""

    page: dict[str, Any] | None = None
    unread_bytes: int | None = Field(None, description="of a running job: printed, and not yet in `text`")


class JobList(Wire):
    """Jobs, newest first."""

    jobs: list[dict[str, Any]]


class WaitResult(Wire):
    """The states of the jobs after the wait, and the short answers."""

    jobs: list[dict[str, Any]]
    answers: list[dict[str, Any]] = Field(
        default_factory=list, description="Of ended jobs: jobId, text, error, warnings"
    )
    pending: list[str]
    next: str | None = None


async def own_job(gateway: Gateway, job_id: str, context: CallContext) -> Job:
    """Return a job of this caller. Raises InvalidRequest, with the same message for another caller's job as for an unknown one."""
    job = await gateway.store.get_job(JobId(job_id))
    if job is None or job.principal != context.principal:
        raise InvalidRequest(f"there is no job {job_id}", recovery="llm_job_list shows yours.")
    return job


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """A run, and its output as far as it was read."""

    view: RunView
    latest: Event | None = None
    text: str = ""
    unread: int = 0


async def _current_state(gateway: Gateway, job_id: str, context: CallContext) -> tuple[Job, _Progress | None]:
    """Return a job, and the progress of its run while it runs. If its gateway is dead, the job is taken over.

    An ended run is concluded soon after its end. If it has little output, wait until it is concluded.
    """
    job = await own_job(gateway, job_id, context)
    if job.state.ended:
        return job, None
    await gateway.jobs.recover(job)
    if job.state is JobState.QUEUED:
        return job, None
    progress = await _read_progress(gateway, job)
    view = progress.view
    if view.known and not view.alive:
        little = view.stdout_bytes + view.stderr_bytes <= _LITTLE_BYTES
        limit = _CONCLUDED_S if little else _CONCLUDED_S / 10
        await gateway.jobs.wait([job.id], until_all=True, timeout_s=limit)
        job = await own_job(gateway, job_id, context)
    return job, progress if job.state is JobState.RUNNING else None


async def _read_progress(gateway: Gateway, job: Job) -> _Progress:
    """Look at a run and read more of its output, for a short time."""
    try:
        live = await gateway.jobs.output(job)
    except GatewayError:  # its job files are damaged: the failure is reported when the job ends
        live = None

    def look() -> RunView:
        view = gateway.engine.view(job.id)
        there = view.stdout_bytes + view.stderr_bytes
        if live is not None and there > live.read_bytes and (view.alive or there > _LITTLE_BYTES):
            live.advance()
        return view

    view = await to_thread.run_sync(look)
    printed = view.stdout_bytes + view.stderr_bytes
    if live is None:
        return _Progress(view=view, unread=printed)
    unread = max(0, printed - live.read_bytes)
    return _Progress(view=view, latest=live.latest, text=live.partial_text, unread=unread)


async def status(gateway: Gateway, params: JobParams, context: CallContext) -> JobStatus:
    """Return a job's state and what the agent does now. To wait for its end use llm_job_wait, for the answer llm_job_result."""
    job, progress = await _current_state(gateway, params.job_id, context)
    facts: dict[str, Any] = {"last_activity_at": stamp(job.ended_at)}
    if not job.state.ended:
        facts["next"] = f'llm_job_wait {{"jobIds": ["{job.id}"]}}; poll no faster than every 60 s'
    if progress is not None:
        view = progress.view
        facts["doing"] = progress.latest.text[:200] if progress.latest else _doing(view)
        facts["last_activity_at"] = stamp(view.last_output_at or view.started_at)
        facts.update(stdout_bytes=view.stdout_bytes, stderr_bytes=view.stderr_bytes)
        facts["unread_bytes"] = progress.unread
    elif job.state is JobState.QUEUED:
        facts["queue_place"] = await gateway.store.queue_place(job.id)
    age = (job.ended_at or datetime.now(timezone.utc)) - job.created_at
    info = gateway.providers.get(job.provider)
    return JobStatus(
        job=job_view(job),
        age_ms=round(age.total_seconds() * 1000),
        silence_is_normal=info.silent if info else False,
        error=error_view(job),
        **facts,
    )


def _doing(view: RunView) -> str:
    if not view.known:
        return "starting"
    return "working" if view.alive else "ended; its output is being read"


async def result(gateway: Gateway, params: ResultParams, context: CallContext) -> ResultPage:
    """Return the answer of a job; of a running one what is there so far (partial). With nextOffset there is more: call again."""
    job, progress = await _current_state(gateway, params.job_id, context)
    if params.raw is not None:
        page = await _raw_page(gateway, job, params.raw, params.offset, params.max_chars or _RAW_DEFAULT_BYTES)
        head = {"status": job.state.value, "job_id": job.id, "provider": job.provider}
        return ResultPage(**head, partial=page.partial, page=page.model_dump(by_alias=True, exclude_none=True))
    page_chars = params.max_chars or MAX_INLINE_CHARS
    fields = dict(await answer(gateway, job, offset=params.offset, max_chars=page_chars))
    if not job.state.ended:
        text = progress.text[params.offset : params.offset + page_chars] if progress else ""
        fields |= {"status": job.state.value, "text": text, "unread_bytes": progress.unread if progress else 0}
    return ResultPage(**fields)


async def _raw_page(gateway: Gateway, job: Job, stream: str, offset: int, size: int) -> RawPage:
    size = min(size, _RAW_MAX_BYTES)
    data = await to_thread.run_sync(gateway.engine.read_output, job.id, stream, offset, size)
    view = await to_thread.run_sync(gateway.engine.view, job.id)
    total = view.stdout_bytes if stream == "stdout" else view.stderr_bytes
    text, encoded = _as_text(data)
    taken = len(text.encode()) if text is not None else len(data)
    return RawPage(
        job_id=job.id,
        stream=stream,
        offset=offset,
        next_offset=offset + taken,
        size=total,
        partial=not job.state.ended,
        text=text,
        base64=encoded,
    )


def _as_text(data: bytes) -> tuple[str | None, str | None]:
    """Return the bytes as text, without an incomplete character at the end, or as base64."""
    for cut in range(4):
        try:
            text = data[: len(data) - cut].decode()
        except UnicodeDecodeError:
            continue
        if text or not data:
            return text, None
    return None, base64.b64encode(data).decode()


async def wait(gateway: Gateway, params: WaitParams, context: CallContext) -> WaitResult:
    """Wait up to 50 s for jobs, instead of polling; returns their states, and in `answers` the short answers. Then llm_job_result for the other ended ones; wait again for pending ones."""
    jobs = [await own_job(gateway, job_id, context) for job_id in params.job_ids]
    ids = [job.id for job in jobs]
    if not all(job.state.ended for job in jobs):
        await gateway.jobs.wait(ids, until_all=params.until == "all", timeout_s=params.timeout_ms / 1000)
    after = [await own_job(gateway, job_id, context) for job_id in ids]
    pending = [job.id for job in after if not job.state.ended]
    answers = await _short_answers(gateway, after) if params.answers else {}
    ready = [job.id for job in after if job.state.ended and job.id not in answers]
    steps = []
    if ready:
        steps.append(f"llm_job_result for {', '.join(ready)}. ")
    if pending:
        steps.append(f"Wait again for {', '.join(pending)}.")
    return WaitResult(
        jobs=[job_view(job) for job in after],
        answers=list(answers.values()),
        pending=pending,
        next="".join(steps) or None,
    )


async def _short_answers(gateway: Gateway, jobs: Sequence[Job]) -> dict[JobId, dict[str, Any]]:
    """Return the answers of ended jobs, the shortest first, until the budget is used. They count as fetched."""
    ended = {job.id: job for job in jobs if job.state.ended and job.reply is not None and job.reply.structured is None}
    left, found = _ANSWERS_CHARS, dict[JobId, dict[str, Any]]()
    for job in sorted(ended.values(), key=lambda job: job.reply.text_chars if job.reply else 0):
        left -= job.reply.text_chars if job.reply else 0
        if left < 0:
            break
        full = dict(await answer(gateway, job))
        shown = {name: full[name] for name in _ANSWER_FIELDS if full[name]}
        found[job.id] = wire_object(**{**shown, "text": full["text"]})
    return {job.id: found[job.id] for job in jobs if job.id in found}


async def cancel(gateway: Gateway, params: JobParams, context: CallContext) -> JobStatus:
    """End a job and every process it started. Its output so far stays: llm_job_result returns it."""
    job = await own_job(gateway, params.job_id, context)
    if not job.state.ended:
        await gateway.jobs.cancel(job)
        await gateway.jobs.wait([job.id], until_all=True, timeout_s=_CANCEL_WAIT_S)
    return await status(gateway, params, context)


async def list_jobs(gateway: Gateway, params: ListParams, context: CallContext) -> JobList:
    """List your jobs, newest first, to find an id. Then llm_job_status or llm_job_result."""
    states = [JobState(params.status)] if params.status else None
    jobs = await gateway.store.list_jobs(
        principal=context.principal, states=states, provider=params.provider, limit=params.limit
    )
    return JobList(jobs=[job_view(job) for job in jobs])


def result_text(page: ResultPage) -> str:
    """Return the text of a reply, or of a raw page."""
    if page.page is not None:
        return str(page.page.get("text", page.page.get("base64", "")))
    return reply_text(page)


def _failed(page: ResultPage) -> bool:
    return page.error is not None


JOB_OPERATIONS = [
    operation("llm_job_status", "Job status", status, JobParams, JobStatus),
    operation("llm_job_result", "Job result", result, ResultParams, ResultPage, text=result_text, failed=_failed),
    operation("llm_job_wait", "Wait for jobs", wait, WaitParams, WaitResult),
    operation("llm_job_cancel", "Cancel a job", cancel, JobParams, JobStatus, destructive=True),
    operation("llm_job_list", "List jobs", list_jobs, ListParams, JobList),
]


async def _read_all(gateway: Gateway, _variables: Mapping[str, str], context: CallContext) -> str:
    return (await list_jobs(gateway, ListParams(), context)).model_dump_json(by_alias=True, exclude_none=True)


async def _read_one(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    found = await status(gateway, JobParams(job_id=variables["jobId"]), context)
    return found.model_dump_json(by_alias=True, exclude_none=True)


JOB_RESOURCES = [
    Resource(uri="jobs://all", name="jobs", description="The newest jobs.", read=_read_all),
    Resource(uri="jobs://{jobId}", name="job", description="How one job stands.", read=_read_one),
]
