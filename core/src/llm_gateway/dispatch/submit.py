"""The way of a request, step by step, to a job that nothing can lose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from llm_gateway.dispatch import admission, approval, invocation, judging, servers, session, surroundings
from llm_gateway.dispatch.invocation import Program
from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway.model.engine import RunSpec
from llm_gateway.model.ids import new_job_id
from llm_gateway.model.invocation import Invocation, Notice
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.operation import AskHuman
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.request import Accepted, Ask, Request
from llm_gateway.model.session import Session
from llm_gateway.model.store import Admission
from llm_gateway.programs import find_executable

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway


#: How long a file system may take to say whether a directory is there.
_STAT_S = 0.2


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
    _check_depth(settings.depth, settings.limits.max_depth)

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
    await _check_directories(gateway, request)
    given, report = servers.choose_servers(
        ask.mcp_server_names,
        settings.default_mcp_servers,
        gateway.mcp_servers,
        held="mcpServers" in info.supports,
        environ=gateway.environ,
    )
    request = replace(request, mcp_servers=given)

    # 3. what it may do
    wanted_level = approval.asked_posture(
        info,
        given=ask.posture,
        spelled=info.posture_of(ask.request.options),  # this turn's own words; the first turn's are no contradiction
        default=approval.repeated_posture(
            held_so_far, approval.usual_posture(info, ask.strategy, own.default_posture), ask.strategy
        ),
    )
    judged_as: dict[str, Any] = {"strategy": ask.strategy, "strictness": ask.strictness}
    seen_names = environment_of(gateway, info)
    proposal = judging.propose(gateway, info, request, wanted_level, env_names=seen_names, **judged_as)
    verdicts = [verdict for _, verdict in host.approve(proposal)]
    decided = await approval.by_human(human, verdicts)
    kept = [*verdicts, decided] if decided else verdicts
    try:
        ruling = approval.rule(info, wanted_level, ask.strategy, verdicts, decided)
    except GatewayError:
        await judging.keep_verdicts(gateway, proposal, kept, None)
        raise

    # 4. what is executed
    if decided:  # people take their time: other turns of this conversation may have ended meanwhile
        conversation = await store.get_session(conversation.id) or conversation
    known = conversation if begun or conversation.native_id else None
    resume = host.resume_session(info.name, request, known)
    accepted = Accepted(request=request, posture=ruling.posture, resume=resume, **judged_as)
    plan = make_plan(gateway, info, accepted, program)

    # 5. a job: an earlier one that answers the same, or a new one
    key = _dedup_key(gateway, plan, known)
    earlier, found = (None, None) if ask.force_refresh else await _find_earlier(gateway, plan, key, now)
    if ask.force_refresh and not surroundings.could_write(ruling.posture):
        found = await surroundings.look(gateway, plan.accepted)
    if earlier is not None:
        admitted = Admission(job=earlier, deduplicated=True)
    else:
        plan = _with_cache_warning(plan, info)
        job = Job(
            id=new_job_id(),
            provider=info.name,
            state=JobState.QUEUED,
            principal=request.principal,
            owner=gateway.supervisor.owner,
            dedup_key=key,
            found_state=found,
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
        admitted = await gateway.supervisor.admit(
            job, plan, session=fresh, queue_if_busy=ask.queue_if_busy, anew=ask.force_refresh
        )
    await judging.keep_verdicts(gateway, proposal, kept, admitted.job.id)
    return replace(admitted, approval=approval.as_wire(ask.strategy, ruling))


def _check_depth(depth: int, most: int) -> None:
    if depth > most:
        raise InvalidRequest(
            f"this gateway runs inside {depth} nested runs of itself; [limits] max_depth is {most}",
            recovery="Let the outermost assistant call the gateway, or raise max_depth.",
        )


def _with_cache_warning(plan: Plan, info: ProviderInfo) -> Plan:
    """Add a warning where the request has cache marks that the provider does not take."""
    if not plan.accepted.request.prompt.cache_control or "cacheControl" in info.supports:
        return plan
    warning = Notice(code="cache_control_unsupported", message=f"{info.name} takes no marks: cacheControl was left out")
    return replace(plan, invocation=replace(plan.invocation, warnings=(*plan.invocation.warnings, warning)))


def make_plan(gateway: Gateway, info: ProviderInfo, accepted: Accepted, program: Program) -> Plan:
    """Build the invocation and the environment of a run. Gives the same answer for the same accepted request."""
    built = gateway.host.build_argv(info.name, accepted.request, accepted.posture, accepted.resume)
    invocation.check_invocation(built)
    environment = invocation.environment_for(program, environment_of(gateway, info, built.env))
    watched = surroundings.watched_paths(accepted.request, built)
    accepted = replace(accepted, env_names=tuple(sorted(environment)), watched=watched)
    return Plan(accepted=accepted, invocation=built, program=program, environment=environment)


def environment_of(
    gateway: Gateway, info: ProviderInfo, added: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, str]:
    """The whole environment of a run of this provider, with what its invocation adds."""
    own, depth = gateway.settings.provider(info.name), gateway.settings.depth + 1
    return invocation.run_environment(
        gateway.environ, allowed=info.env, passed=own.env_pass, fixed=own.env, added=added, depth=depth
    )


def run_spec(gateway: Gateway, job: Job, plan: Plan) -> RunSpec:
    """What the engine is asked to carry out."""
    built, request = plan.invocation, plan.accepted.request
    info = gateway.providers[request.provider].of(request.variant)
    argv, settings = list(built.argv), gateway.settings
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
        output_bytes=settings.limits.output_bytes,
        memory_bytes=settings.limits.memory_mb * 1024**2 if settings.limits.memory_mb else None,
        processes=settings.limits.processes,
        cpu=settings.limits.cpu,
        end_steps=info.end_steps,
    )


def _dedup_key(gateway: Gateway, plan: Plan, conversation: Session | None) -> str | None:
    """What the same request is known by; None: nothing is reused."""
    if gateway.settings.dedup_window_s <= 0:
        return None
    return admission.dedup_key(
        plan.accepted,
        plan.invocation,
        program=plan.program.identity,
        session=conversation,
        environment=plan.environment,
    )


async def _find_earlier(gateway: Gateway, plan: Plan, key: str | None, now: datetime) -> tuple[Job | None, str | None]:
    """The job that answers this request already, and the state of the files, as far as it was looked at.

    One that has not ended is joined whatever the files are by now: it may have changed them itself.
    """
    if key is None:
        return None, None
    find = partial(gateway.store.find_duplicate, plan.accepted.request.principal, key)
    window_s = gateway.settings.dedup_window_s
    if (live := await find(None, window_s, now)) is not None:
        return live, None
    found = await surroundings.look(gateway, plan.accepted)
    return (await find(found, window_s, now) if found else None), found


async def _check_directories(gateway: Gateway, request: Request) -> None:
    """Raise InvalidRequest for a directory that is not there; one whose file system does not answer is left to the run."""

    def check() -> InvalidRequest | None:
        try:
            invocation.check_directories(request.working_dir, request.add_dirs)
        except InvalidRequest as error:
            return error
        return None

    problem = await to_thread.run_sync(gateway.looks.within, request.working_dir, _STAT_S, check)
    if problem is not None:
        raise problem
