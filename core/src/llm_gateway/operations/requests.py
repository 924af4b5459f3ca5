"""`<provider>_request` and `<provider>_request_async`, made for every provider from one model of parameters."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import anyio
from pydantic import Field, create_model

from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.operation import CallContext, Operation
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import SUPPORTABLE, ProviderInfo
from llm_gateway.model.reply import EventKind
from llm_gateway.model.request import Request, SubmitRequest
from llm_gateway.model.store import Admission
from llm_gateway.naming import wire_names
from llm_gateway.operations.answers import AsyncResult, RequestResult, answer, failed, reply_text, reuse_note
from llm_gateway.operations.directories import Directory, other_directories, working_directory
from llm_gateway.operations.validation import Wire
from llm_gateway.operations.views import job_view
from llm_gateway.planning.prompt import join_prompt

if TYPE_CHECKING:
    from llm_gateway.model.gateway_api import GatewayApi

#: A value that a CLI cannot take for a flag.
_NoFlag = Annotated[str, Field(pattern=r"^[^-\s].*$", max_length=400)]
_MAX_TIMEOUT_MS = 24 * 3600 * 1000
_BLANK = " "  #: the progress message for an event without text


# The first sentence of each description must be enough by itself: `<provider>_request_async` shows only that, because both tools
# together may take 8 kB. It says what the parameter does; the next sentences say when to use it.


class CacheControl(Wire):
    """Which parts of the stable prefix are marked for the provider's cache."""

    system: bool = Field(False, description="Mark the end of system.")
    tools: bool = Field(False, description="Mark the end of tools.")
    context: bool = Field(False, description="Mark the end of context.")


class PromptParts(Wire):
    """The prompt in parts, joined in this order; all but the task are the stable prefix."""

    system: str | None = Field(None, description="The agent's role and rules.")
    tools: str | None = Field(None, description="Notes on tools to use.")
    context: str | None = Field(None, description="Background of the task.")
    task: str = Field(description="What to do in this call.")
    cache_control: CacheControl | None = Field(None, description="Which parts to mark for caching.")


class RequestParams(Wire):
    """The common parameters of all providers. A provider's own parameters are added to them."""

    prompt: str | None = Field(None, description="The task in words. Needed unless promptParts is given.")
    prompt_parts: PromptParts | None = Field(
        None,
        description="The task in parts, for prompt caching. Later calls repeat all but task.",
    )
    model: _NoFlag | None = Field(None, description="Which model answers. Best left out; list_models has names.")
    session_id: _NoFlag | None = Field(
        None, description="Conversation to continue. gatewaySessionId or the agent's id."
    )
    resume_latest: bool = Field(False, description="Continue the newest conversation of workingDir.")
    create_new_session: bool = Field(False, description="Start a new conversation.")
    on_busy: Literal["refuse", "queue"] = Field("refuse", description="Fail or wait while another turn runs.")
    approval_strategy: str = Field(
        "legacy", description="Who judges the request first. legacy: nobody; mcp_managed: the policy plugin."
    )
    approval_policy: Literal["strict", "balanced", "permissive"] = Field(
        "balanced", description="How strictly approvalStrategy judges."
    )
    posture: Literal["read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass"] | None = Field(
        None,
        description=(
            "What the agent may do unasked. Levels: read_only reads files; plan proposes changes; prompted skips what "
            "needs approval; accept_edits edits files in workingDir; workspace_write also runs commands; bypass: no limits."
        ),
    )
    allowed_tools: list[_NoFlag] | None = Field(None, description="The agent's tools to allow beyond posture.")
    disallowed_tools: list[_NoFlag] | None = Field(None, description="The agent's tools to forbid.")
    mcp_servers: list[str] | None = Field(None, description="Names of MCP servers to give to the agent.")
    working_dir: str | None = Field(
        None, description="Absolute path to work in. Default: the conversation's, else the client's."
    )
    add_dirs: list[str] | None = Field(None, description="More directories that the agent may use.")
    idle_timeout_ms: Annotated[int, Field(ge=30_000, le=3_600_000)] | None = Field(
        None, description="End a run that prints nothing for this long."
    )
    timeout_ms: Annotated[int, Field(ge=1, le=_MAX_TIMEOUT_MS)] | None = Field(
        None, description="End the run after this time. Default: 1 h."
    )
    max_turns: Annotated[int, Field(ge=1)] | None = Field(None, description="End the run after this many agent steps.")
    max_budget_usd: Annotated[float, Field(gt=0)] | None = Field(None, description="End the run at this cost.")
    effort: _NoFlag | None = Field(None, description="How much to reason, such as low or high.")
    output_schema: dict[str, Any] | None = Field(
        None, description="JSON schema of the answer. Returned as structuredOutput."
    )
    instructions: bool = Field(True, description="Apply instruction files such as AGENTS.md. false: none.")
    force_refresh: bool = Field(
        False, description="Reuse no earlier answer. Else an equal call within an hour gets it."
    )
    correlation_id: Annotated[str, Field(pattern=r"^[\w.:-]+$", max_length=128)] | None = Field(
        None, description="Your trace id, copied to job and log."
    )


#: The names that no provider may take for its own parameters.
RESERVED = wire_names(RequestParams).union(RequestParams.model_fields)


#: Operations with which a caller fetches an answer later. Without them no request is deferred, and there are no async requests.
FOLLOW_UPS = {"llm_job_wait", "llm_job_result"}


def request_operations(info: ProviderInfo, *, defers: bool) -> list[Operation]:
    """Return the operations of a provider.

    :param defers: callers can fetch an answer later, so a waiting request may be deferred, and there are async requests.
    """
    own = {name: (field.annotation, field) for name, field in info.options_model.model_fields.items()}
    params = create_model(f"{info.name.title()}Request", __base__=RequestParams, **cast("dict[str, Any]", own))
    hidden = SUPPORTABLE - info.supports
    if "sessionId" in hidden:
        hidden |= {"resumeLatest", "createNewSession", "onBusy"}
    if info.silent:
        hidden |= {"idleTimeoutMs"}
    hidden |= {"instructions"}  # for `review`; a user has the setting of this name, and each tool is read by a model
    shared: dict[str, Any] = {"params": params, "hidden": hidden, "destructive": True, "open_world": True}
    shared["provider"] = info.name
    later = ""
    if defers:
        later = f" After 45 s it returns a jobId: then call llm_job_wait, llm_job_result. For parallel work use {info.name}_request_async."
    waiting = Operation(
        name=f"{info.name}_request",
        title=f"Ask {info.title}",
        description=f"Give {info.title} one task and wait; returns its answer as text.{later}",
        result=RequestResult,
        handler=partial(_request, info),
        text=reply_text,
        failed=failed,
        **shared,
    )
    background = Operation(
        name=f"{info.name}_request_async",
        title=f"Start {info.title}",
        description=(
            f"Start {info.title} on a task; returns job.id at once. Then call llm_job_wait, llm_job_result. "
            f"Parameters: see {info.name}_request."
        ),
        brief=True,
        result=AsyncResult,
        handler=partial(_start, info),
        **shared,
    )
    return [waiting, background] if defers else [waiting]


async def _request(
    info: ProviderInfo, gateway: GatewayApi, params: RequestParams, context: CallContext
) -> RequestResult:
    admission = await gateway.jobs.submit(await _submit_request(gateway, info, params, context), context.ask)
    try:
        job = await _wait(gateway, admission.job, context)
    except anyio.get_cancelled_exc_class():
        if gateway.settings.jobs.on_client_cancel == "cancel" and not admission.deduplicated:
            with anyio.CancelScope(shield=True):
                await gateway.jobs.cancel(admission.job)
        raise
    return await answer(
        gateway, job, deduplicated=admission.deduplicated, reused=_reused(admission), approval=admission.approval
    )


async def _start(info: ProviderInfo, gateway: GatewayApi, params: RequestParams, context: CallContext) -> AsyncResult:
    admission = await gateway.jobs.submit(await _submit_request(gateway, info, params, context), context.ask)
    return AsyncResult(
        job=job_view(admission.job),
        deduplicated=admission.deduplicated,
        reused=_reused(admission),
        approval=dict(admission.approval or admission.job.approval) or None,
        warnings=[dict(notice) for notice in admission.job.notices],
        next=f'llm_job_wait {{"jobIds": ["{admission.job.id}"]}}',
    )


def _reused(admission: Admission) -> str | None:
    """Return the note for an answer that existed before this call; None for a job that this call joined."""
    return reuse_note(admission.job, datetime.now(timezone.utc)) if admission.deduplicated else None


async def _wait(gateway: GatewayApi, job: Job, context: CallContext) -> Job:
    """Wait for the end, or until the deadline. Meanwhile report the agent's progress."""
    limit = (gateway.settings.sync_deadline_s or None) if gateway.defers else None
    async with anyio.create_task_group() as tasks:
        if context.progress is not None and not job.state.ended:
            tasks.start_soon(partial(_report_progress, gateway, job, context))
        ended = await gateway.jobs.wait([job.id], until_all=True, timeout_s=limit)
        tasks.cancel_scope.cancel()
    return ended.get(job.id) or await gateway.store.get_job(job.id) or job


async def _report_progress(gateway: GatewayApi, job: Job, context: CallContext) -> None:
    assert context.progress is not None
    if job.state is JobState.QUEUED:
        await context.progress("waiting in the queue")
    with suppress(GatewayError, OSError):  # without progress the caller still gets the result
        async for event in gateway.jobs.events(job):
            if event.kind is not EventKind.SESSION:
                await context.progress(event.text[:200] or _BLANK)


async def _submit_request(
    gateway: GatewayApi, info: ProviderInfo, params: RequestParams, context: CallContext
) -> SubmitRequest:
    parts = params.prompt_parts
    marks = parts.cache_control if parts else None
    marked = tuple(name for name, on in marks or () if on)
    options = params.model_dump(by_alias=True, exclude_unset=True, include=set(info.options_model.model_fields))
    place = await _directory(gateway, params, context)
    timeout_ms = params.timeout_ms or int(gateway.settings.jobs.default_timeout_s * 1000)
    request = Request(
        provider=info.name,
        prompt=join_prompt(params.prompt, dict(parts) if parts else None, marked),
        options=info.options_model.model_validate(options),
        model=params.model,
        working_dir=place.path if place else "",
        add_dirs=other_directories(params.add_dirs or (), place, gateway.environ),
        allowed_tools=tuple(params.allowed_tools or ()),
        disallowed_tools=tuple(params.disallowed_tools or ()),
        max_turns=params.max_turns,
        max_budget_usd=params.max_budget_usd,
        effort=params.effort,
        output_schema=params.output_schema,
        instructions=params.instructions,
        timeout_s=timeout_ms / 1000,
        idle_timeout_s=params.idle_timeout_ms / 1000 if params.idle_timeout_ms else None,
        principal=context.principal,
        correlation_id=params.correlation_id or f"c-{secrets.token_hex(8)}",
    )
    return SubmitRequest(
        request=request,
        dir_given=params.working_dir is not None,
        dir_spelled=place.spelled if place else "",
        options_given=options,
        mcp_server_names=tuple(params.mcp_servers) if params.mcp_servers is not None else None,
        posture=Posture(params.posture) if params.posture else None,
        strategy=params.approval_strategy,
        strictness=params.approval_policy,
        session_id=params.session_id,
        remote=context.remote,
        resume_latest=params.resume_latest,
        create_new=params.create_new_session,
        queue_if_busy=params.on_busy == "queue",
        force_refresh=params.force_refresh,
    )


async def _directory(gateway: GatewayApi, params: RequestParams, context: CallContext) -> Directory | None:
    """Return the directory of the run; None: the request names a conversation, and only the conversation has a directory."""
    try:
        return await working_directory(params.working_dir, context, gateway.environ)
    except InvalidRequest:
        if params.session_id is None or params.working_dir is not None:
            raise
        return None
