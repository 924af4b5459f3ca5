"""The way of a request, step by step, to a job that nothing can lose."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from llm_gateway.dispatch import admission, approval, invocation, servers, session
from llm_gateway.dispatch.invocation import Program
from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway.model.engine import RunSpec
from llm_gateway.model.ids import JobId, new_job_id
from llm_gateway.model.invocation import Invocation, Notice
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.operation import AskHuman
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.record import Verdict, VerdictRecord
from llm_gateway.model.request import Accepted, Ask, Proposal
from llm_gateway.model.session import Session
from llm_gateway.model.store import Admission
from llm_gateway.programs import find_executable

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An accepted request with all that its run needs; environment values live here and nowhere else."""

    accepted: Accepted
    invocation: Invocation
    program: Program
    environment: Mapping[str, str]


async def submit(gateway: Gateway, ask: Ask, human: AskHuman | None = None) -> Admission:
    """Take a request in; a policy's question goes to the human. Raises GatewayError before anything has run or been stored."""
    now = datetime.now(timezone.utc)
    settings, store, host = gateway.settings, gateway.store, gateway.host
    whole = gateway.providers[ask.request.provider]
    own = settings.provider(whole.name)
    if settings.depth > settings.limits.max_depth:
        raise InvalidRequest(
            f"this gateway runs inside {settings.depth} nested runs of itself; [limits] max_depth is {settings.limits.max_depth}",
            recovery="Let the outermost assistant call the gateway, or raise max_depth.",
        )

    # 2. which conversation, and by which program
    conversation, begun = await session.choose_session(store, whole, ask, now)
    request, held_so_far = session.continue_request(ask, conversation, whole) if begun else (ask.request, None)
    named = whole.variant_of(request.options)
    if request.variant and named and named != request.variant:
        raise InvalidRequest(f"this conversation was begun with {request.variant}, it cannot go on with {named}")
    wanted = request.variant or named or whole.variant_of(None) or ""
    info, program = invocation.require_program(whole, wanted, own.executable, gateway.environ)
    request = replace(request, variant=info.variant)
    invocation.check_held(info, request, bool(ask.mcp_server_names))
    invocation.check_directories(request.working_dir, request.add_dirs)
    given, report = servers.choose_servers(
        ask.mcp_server_names,
        settings.default_mcp_servers,
        gateway.mcp_servers,
        held="mcpServers" in info.supports,
        environ=gateway.environ,
    )
    request = replace(request, mcp_servers=given)

    # 3. what it may do
    wanted_rung = approval.asked_posture(
        info,
        given=ask.posture,
        spelled=info.posture_of(ask.request.options),  # this turn's own words; the first turn's are no contradiction
        default=held_so_far or approval.usual_posture(info, ask.strategy, own.default_posture),
    )
    proposal = Proposal(
        request=request,
        posture=wanted_rung,
        strategy=ask.strategy,
        strictness=ask.strictness,
        bypass_allowed=settings.allow_bypass,
        env_names=tuple(sorted(_environment(gateway, info, {}))),
    )
    verdicts = [verdict for _, verdict in host.approve(proposal)]
    decided = await approval.by_human(human, verdicts)
    kept = [*verdicts, decided] if decided else verdicts
    try:
        ruling = approval.rule(info, wanted_rung, ask.strategy, verdicts, decided)
    except GatewayError:
        await _keep_verdicts(gateway, proposal, kept, None)
        raise

    # 4. what is executed
    if decided:  # people take their time: other turns of this conversation may have ended meanwhile
        conversation = await store.get_session(conversation.id) or conversation
    known = conversation if begun or conversation.native_id else None
    resume = host.resume_session(info.name, request, known)
    plan = make_plan(gateway, info, Accepted(request=request, posture=ruling.posture, resume=resume), program)

    # 5. a job: an earlier one that answers the same, or a new one
    key = None if ask.force_refresh else await _dedup_key(gateway, plan, known)
    earlier = await store.find_duplicate(request.principal, key, settings.dedup_window_s, now) if key else None
    if earlier is not None:
        admitted = Admission(job=earlier, deduplicated=True)
    else:
        if request.prompt.cache_control and "cacheControl" not in info.supports:
            message = f"{info.name} takes no marks: cacheControl was left out"
            warnings = (*plan.invocation.warnings, Notice(code="cache_control_unsupported", message=message))
            plan = replace(plan, invocation=replace(plan.invocation, warnings=warnings))
        job = Job(
            id=new_job_id(),
            provider=info.name,
            state=JobState.QUEUED,
            principal=request.principal,
            owner=gateway.supervisor.owner,
            dedup_key=key,
            session_id=conversation.id,
            correlation_id=request.correlation_id,
            model=request.model,
            posture=ruling.posture,
            working_dir=request.working_dir,
            approval=approval.as_wire(ask.strategy, ruling),
            mcp_servers=report,
            created_at=now,
        )
        fresh = session.remember(conversation, request, ruling.posture, ask.options_given)
        admitted = await gateway.supervisor.admit(job, plan, session=fresh, queue_if_busy=ask.queue_if_busy)
    await _keep_verdicts(gateway, proposal, kept, admitted.job.id)
    return admitted


def make_plan(gateway: Gateway, info: ProviderInfo, accepted: Accepted, program: Program) -> Plan:
    """Build the invocation and the environment of a run. Gives the same answer for the same accepted request."""
    built = gateway.host.build_argv(info.name, accepted.request, accepted.posture, accepted.resume)
    invocation.check_invocation(built)
    environment = invocation.environment_for(program, _environment(gateway, info, built.env))
    accepted = replace(accepted, env_names=tuple(sorted(environment)))
    return Plan(accepted=accepted, invocation=built, program=program, environment=environment)


def _environment(gateway: Gateway, info: ProviderInfo, added: Mapping[str, str]) -> Mapping[str, str]:
    own, depth = gateway.settings.provider(info.name), gateway.settings.depth + 1
    return invocation.run_environment(
        gateway.environ, allowed=info.env, passed=own.env_pass, fixed=own.env, added=added, depth=depth
    )


def run_spec(gateway: Gateway, job: Job, plan: Plan) -> RunSpec:
    """What the engine is asked to carry out."""
    built, request = plan.invocation, plan.accepted.request
    info = gateway.providers[request.provider].of(request.variant)
    argv = list(built.argv)
    if info.executable in argv:  # behind a wrapper (a container, a sandbox) the program's name is not the first element
        argv[argv.index(info.executable)] = plan.program.path
    argv[0] = find_executable(argv[0], plan.environment) or argv[0]  # the engine refuses what is no absolute path
    return RunSpec(
        job_id=job.id,
        argv=tuple(argv),
        cwd=request.working_dir,
        env=plan.environment,
        stdin=built.stdin,
        files=built.files,
        artifacts=built.artifacts,
        timeout_s=request.timeout_s,
        idle_timeout_s=request.idle_timeout_s,
        output_bytes=gateway.settings.limits.output_bytes,
        end_steps=info.end_steps,
    )


async def _dedup_key(gateway: Gateway, plan: Plan, conversation: Session | None) -> str | None:
    """What the same request is known by; None: it must run anew."""
    given, request = gateway.settings, plan.accepted.request
    tree = await to_thread.run_sync(gateway.host.tree_state, request.working_dir) if given.dedup_window_s > 0 else None
    if tree is None:
        return None
    own = {**given.provider(request.provider).env, "LLM_GATEWAY_DEPTH": str(given.depth)}
    ways: dict[str, Any] = {"program": plan.program.identity, "set_environment": own, "tree": tree}
    return admission.dedup_key(plan.accepted, plan.invocation, session=conversation, **ways)


async def _keep_verdicts(
    gateway: Gateway, proposal: Proposal, verdicts: Sequence[Verdict], job_id: JobId | None
) -> None:
    request, now = proposal.request, datetime.now(timezone.utc)
    record = partial(VerdictRecord, job_id=job_id, provider=request.provider, principal=request.principal)
    words = hashlib.sha256(request.prompt.text.encode()).hexdigest()
    for verdict in verdicts:
        kept = record(strategy=proposal.strategy, verdict=verdict, prompt_sha256=words, decided_at=now)
        await gateway.store.add_verdict(kept)
