"""Submit a request: turn it step by step into a plan, then into a stored job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway.jobs.queue import AdmissionQueue
from llm_gateway.model.configuration import OwnConfig
from llm_gateway.model.ids import new_job_id
from llm_gateway.model.invocation import Notice
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.operation import AskHuman
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.record import Verdict
from llm_gateway.model.request import Accepted, McpServer, Proposal, Request, SubmitRequest
from llm_gateway.model.session import Session
from llm_gateway.model.store import Admission, Store
from llm_gateway.planning import approval, invocation, reuse, servers, session, surroundings
from llm_gateway.planning.approval import Ruling
from llm_gateway.planning.configuration import ConfigReader
from llm_gateway.planning.invocation import Program
from llm_gateway.planning.judging import PolicyJudge
from llm_gateway.planning.plan import Plan, Planner
from llm_gateway.planning.surroundings import BoundedThreads, Surroundings

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import Settings


#: How long the check whether a directory exists may take, in seconds.
_STAT_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The program and the MCP servers that this machine has for a request."""

    info: ProviderInfo  #: of the program's variant
    program: Program
    request: Request  #: with its variant and its MCP servers
    servers: Mapping[str, Any]  #: the answer's `mcpServers` object


class Submitter:
    """Accepts requests."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        host: PluginHost,
        settings: Settings,
        environ: Mapping[str, str],
        mcp_servers: Mapping[str, McpServer],
        planner: Planner,
        configs: ConfigReader,
        judge: PolicyJudge,
        surroundings: Surroundings,
        threads: BoundedThreads,
        queue: AdmissionQueue,
    ) -> None:
        self._owner = owner
        self._store = store
        self._host = host
        self._settings = settings
        self._environ = environ
        self._mcp_servers = mcp_servers
        self._planner = planner
        self._configs = configs
        self._judge = judge
        self._surroundings = surroundings
        self._threads = threads
        self._queue = queue

    async def submit(self, asked: SubmitRequest, human: AskHuman | None = None) -> Admission:
        """Accept a request. A policy's question goes to the human. Raises GatewayError before anything has run or been stored."""
        now = datetime.now(timezone.utc)
        provider = self._host.providers[asked.request.provider]
        _check_depth(self._settings.depth, self._settings.limits.max_depth)

        # Choose the conversation, the program and the servers.
        conversation, begun = await session.choose_session(self._store, provider, asked, now)
        request, first_posture = asked.request, None
        if begun:
            request, first_posture = session.continue_request(asked, conversation, provider)
        found = await self._find(provider, asked, request)
        config = await self._configs.read(found.info, found.request)

        # Decide the posture.
        wanted = self._wanted_posture(found.info, asked, first_posture)
        proposal = self._judge.propose(
            found.info,
            found.request,
            wanted,
            strategy=asked.strategy,
            strictness=asked.strictness,
            env_names=self._planner.environment_of(found.info, config=config),
        )
        ruling, verdicts, by_human = await self._rule(found.info, asked, proposal, human)

        # Build the plan.
        if by_human:  # the answer may have taken minutes: other turns of this conversation may have ended meanwhile
            conversation = await self._store.get_session(conversation.id) or conversation
        known = conversation if begun or conversation.native_id else None
        plan = await self._plan(found, asked, ruling, known, config)

        # Find an earlier job that answers the same request, or store a new one.
        admission = await self._admit(
            found, asked, plan, conversation=conversation, known=known, ruling=ruling, now=now
        )
        await self._judge.keep_verdicts(proposal, verdicts, admission.job.id)
        return replace(admission, approval=approval.as_wire(asked.strategy, ruling))

    async def _find(self, provider: ProviderInfo, asked: SubmitRequest, request: Request) -> _Found:
        """Find the program, the directories and the servers on this machine.

        Raises NotInstalled, InvalidRequest or UnknownMcpServer. If the file system of the directories does not answer, the run
        reports it.
        """
        found: list[_Found] = []

        def find() -> GatewayError | None:
            try:
                found.append(self._on_this_machine(provider, asked, request))
                invocation.check_directories(request.working_dir, request.add_dirs)
            except GatewayError as error:
                return error
            return None

        problem = await self._threads.run(f"find {request.working_dir}", _STAT_S, find)
        if problem is not None:
            raise problem
        if found:
            return found[0]
        return await to_thread.run_sync(self._on_this_machine, provider, asked, request)

    def _on_this_machine(self, provider: ProviderInfo, asked: SubmitRequest, request: Request) -> _Found:
        """Find the program and the servers. Blocking."""
        named = provider.variant_of(request.options)
        if request.variant and named and named != request.variant:
            raise InvalidRequest(
                f"this conversation was begun with {request.variant}, it cannot be continued with {named}"
            )
        variant = request.variant or named or provider.variant_of(None) or ""
        info, program = self._planner.require_program(provider, variant)
        request = replace(request, variant=info.variant)
        invocation.check_held(info, request, bool(asked.mcp_server_names))
        given, report = servers.choose_servers(
            asked.mcp_server_names,
            self._settings.default_mcp_servers,
            self._mcp_servers,
            held="mcpServers" in info.supports,
            environ=self._environ,
        )
        return _Found(info=info, program=program, request=replace(request, mcp_servers=given), servers=report)

    def _wanted_posture(self, info: ProviderInfo, asked: SubmitRequest, first: Posture | None) -> Posture:
        """Return the level that this turn or the conversation's first turn asks for."""
        usual = approval.usual_posture(info, asked.strategy, self._settings.provider(info.name).default_posture)
        return approval.asked_posture(
            info,
            given=asked.posture,
            spelled=info.posture_of(asked.request.options),  # this turn's options only: the first turn's may differ
            default=approval.repeated_posture(first, usual, asked.strategy),
        )

    async def _rule(
        self, info: ProviderInfo, asked: SubmitRequest, proposal: Proposal, human: AskHuman | None
    ) -> tuple[Ruling, list[Verdict], bool]:
        """Return the ruling, the verdicts to keep, and whether a human decided. Raises ApprovalDenied or ApprovalNeeded."""
        verdicts = self._judge.verdicts(proposal)
        decided = await approval.by_human(human, verdicts)
        kept = [*verdicts, decided] if decided else verdicts
        try:
            ruling = approval.rule(info, proposal.posture, asked.strategy, verdicts, decided)
        except GatewayError:
            await self._judge.keep_verdicts(proposal, kept, None)
            raise
        return ruling, kept, decided is not None

    async def _plan(
        self, found: _Found, asked: SubmitRequest, ruling: Ruling, known: Session | None, config: OwnConfig
    ) -> Plan:
        resume = self._host.resume_session(found.info.name, found.request, known)
        accepted = Accepted(
            request=found.request,
            posture=ruling.posture,
            resume=resume,
            strategy=asked.strategy,
            strictness=asked.strictness,
        )
        return await self._planner.plan(found.info, accepted, found.program, config)

    async def _admit(
        self,
        found: _Found,
        asked: SubmitRequest,
        plan: Plan,
        *,
        conversation: Session,
        known: Session | None,
        ruling: Ruling,
        now: datetime,
    ) -> Admission:
        key = self._dedup_key(plan, known)
        earlier, state = None, None
        if not asked.force_refresh:
            earlier, state = await self._find_earlier(plan, key, now)
        elif not surroundings.could_write(ruling.posture):
            state = await self._surroundings.look(plan.accepted)
        if earlier is not None:
            return Admission(job=earlier, deduplicated=True)
        request = found.request
        job = Job(
            id=new_job_id(),
            provider=found.info.name,
            state=JobState.QUEUED,
            principal=request.principal,
            owner=self._owner,
            dedup_key=key,
            found_state=state,
            session_id=conversation.id,
            correlation_id=request.correlation_id,
            model=request.model,
            posture=ruling.posture,
            working_dir=request.working_dir,
            approval=approval.as_wire(asked.strategy, ruling),
            mcp_servers=found.servers,
            created_at=now,
        )
        return await self._queue.admit(
            job,
            _with_cache_warning(plan, found.info),
            session=session.remember(conversation, request, ruling.posture, asked.options_given),
            queue_if_busy=asked.queue_if_busy,
            dedup_window_s=0.0 if asked.force_refresh else self._settings.dedup_window_s,
        )

    def _dedup_key(self, plan: Plan, conversation: Session | None) -> str | None:
        """Return the key that equal requests share; None: nothing is reused."""
        if self._settings.dedup_window_s <= 0:
            return None
        return reuse.dedup_key(
            plan.accepted,
            plan.invocation,
            program=plan.program.identity,
            session=conversation,
            environment=plan.environment,
            instructions=plan.config.digest,
        )

    async def _find_earlier(self, plan: Plan, key: str | None, now: datetime) -> tuple[Job | None, str | None]:
        """Return the job that answers this request already, and the state of the files; None for a state that was not needed.

        A job that has not ended is joined without a check of the files: it may have changed them itself.
        """
        if key is None:
            return None, None
        find = partial(self._store.find_duplicate, plan.accepted.request.principal, key)
        window_s = self._settings.dedup_window_s
        unfinished = await find(None, window_s, now)
        if unfinished is not None:
            return unfinished, None
        state = await self._surroundings.look(plan.accepted)
        if state is None:
            return None, None
        return await find(state, window_s, now), state


def _check_depth(depth: int, most: int) -> None:
    if depth > most:
        raise InvalidRequest(
            f"this gateway runs inside {depth} nested runs of itself; [limits] max_depth is {most}",
            recovery="Let the outermost assistant call the gateway, or raise max_depth.",
        )


def _with_cache_warning(plan: Plan, info: ProviderInfo) -> Plan:
    """Add a warning if the request has cache marks that the provider does not support."""
    if not plan.accepted.request.prompt.cache_control or "cacheControl" in info.supports:
        return plan
    warning = Notice(
        code="cache_control_unsupported", message=f"{info.name} does not support cacheControl: it was left out"
    )
    return replace(plan, invocation=replace(plan.invocation, warnings=(*plan.invocation.warnings, warning)))
