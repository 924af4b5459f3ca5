"""The contract with plugins: every hook that the kernel calls.

A plugin is a module or object with functions marked `@hookimpl`, found through an entry point of the group
`llm_gateway.<kind>` (kinds: provider, store, transport, policy, engine, extension). A hook is quick and synchronous: what must
wait is returned as an object with async methods. An implementation may take fewer parameters than its spec has; parameters may
be added to a spec, none is removed within a major version.

Provider hooks are asked of one provider's plugin alone, so an implementation never has to look whether it is meant. A plugin of
another kind wraps them for all providers with `@hookimpl(wrapper=True)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_gateway.model.engine import Engine
    from llm_gateway.model.invocation import Invocation
    from llm_gateway.model.job import Job
    from llm_gateway.model.operation import Operation, PromptTemplate, Resource, Transport
    from llm_gateway.model.posture import Posture
    from llm_gateway.model.provider import ModelInfo, OutputReader, ProviderInfo, UpgradePlan
    from llm_gateway.model.record import Record, Verdict
    from llm_gateway.model.reply import Failure, FinishedRun
    from llm_gateway.model.request import McpServer, Proposal, Request
    from llm_gateway.model.session import Resume, Session
    from llm_gateway.model.store import Store
    from llm_gateway.model.usage import CacheAccount, Cost, Usage

PROJECT = "llm_gateway"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

#: Hooks that belong to plugins of one kind; plugins of another kind may only wrap them.
OWNER: dict[str, str] = {}
#: Hooks without which a plugin of that kind is of no use.
REQUIRED: set[str] = set()

SpecT = TypeVar("SpecT", bound=Callable[..., Any])


def asked_of(kind: str, *, required: bool = False) -> Callable[[SpecT], SpecT]:
    """Mark a hook that is asked of one plugin of a kind."""

    def mark(spec: SpecT) -> SpecT:
        OWNER[spec.__name__] = kind
        if required:
            REQUIRED.add(spec.__name__)
        return hookspec(spec, firstresult=True)

    return mark


# ------------------------------------------------------------------------------------------------------------- providers


@asked_of("provider", required=True)
def gateway_describe_provider() -> ProviderInfo:
    """Describe the CLI that this plugin speaks for.

    Called once, when the plugin is registered. Must not look at the machine: whether the CLI is installed is found out later,
    from `ProviderInfo.executable`.

    Example:
        @hookimpl
        def gateway_describe_provider():
            return ProviderInfo(name="echo", title="Echo", executable="llm-gateway-echo", postures=tuple(Posture))
    """


@asked_of("provider", required=True)
def gateway_build_argv(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """Say what is to be executed for one request.

    Called for each run, and again when a queued run starts or another gateway takes it over: the same arguments must give the
    same answer. Pure.

    :param request: what the caller asks; `request.options` is an instance of the provider's own options model.
    :param posture: the rung that was approved; never above what `ProviderInfo.postures` holds.
    :param resume: the conversation, as `gateway_resume_session` decided.

    May raise InvalidRequest for what this CLI cannot do. The prompt belongs into `Invocation.stdin` or a file, not into argv.

    Example:
        @hookimpl
        def gateway_build_argv(request, posture, resume):
            return Invocation(argv=("llm-gateway-echo",), stdin=request.prompt.text.encode())
    """


@asked_of("provider", required=True)
def gateway_resume_session(request: Request, session: Session | None) -> Resume:
    """Decide how a run enters its conversation.

    Called for each run, before `gateway_build_argv`. Pure but for the making of a new id.

    :param request: what the caller asks.
    :param session: the conversation to continue; None for a fresh one. Its `native_id` is None until a first run told it.

    Answer a fresh Resume with a `native_id` of your own choosing where the CLI lets you, so that the id is known whatever
    happens. May raise SessionNotResumable with the reason.

    Example:
        @hookimpl
        def gateway_resume_session(request, session):
            if session and session.native_id:
                return Resume(native_id=session.native_id, fresh=False)
            return Resume(native_id=NativeSessionId(str(uuid4())))
    """


@asked_of("provider", required=True)
def gateway_open_reader(request: Request) -> OutputReader:
    """Open a reader for the output of one run.

    Called for each run, and again when its output is read anew (after a crash, from the first byte). The reader is fed from one
    thread at a time and must be pure: the same bytes, cut anywhere, give the same summary.

    :param request: what the caller asked.

    Example:
        @hookimpl
        def gateway_open_reader(request):
            return EchoReader()
    """


@asked_of("provider")
def gateway_explain_failure(run: FinishedRun) -> Failure | None:
    """Name the cause of a failed run, in the closed set of error codes.

    Called once for each run that exited with another code than 0, or whose summary says that it failed. Runs that the gateway
    ended itself (time limits, cancel, overflow) are not asked about.

    :param run: request, posture, exit code, summary, and the last 8 KiB of stderr.

    None: the kernel answers `provider_failed` with the last words of stderr.

    Example:
        @hookimpl
        def gateway_explain_failure(run):
            if "log in" in run.stderr_tail:
                return Failure(code="auth_required", message="Echo is not logged in.", recovery="Run `echo login`.")
    """


@asked_of("provider")
def gateway_list_models() -> Sequence[ModelInfo]:
    """List the models that the CLI's own configuration, catalogue or files name, with the source of each name.

    Called on demand, in a worker thread. Never a remembered list shown as fact. An empty sequence: nothing is known.

    Example:
        @hookimpl
        def gateway_list_models():
            return [ModelInfo(id="echo-1", source="built in", default=True)]
    """


@asked_of("provider")
def gateway_upgrade_plan(target: str | None) -> UpgradePlan | None:
    """Say how this installation of the CLI would be brought to a version. Runs nothing.

    Called on demand, in a worker thread.

    :param target: a version; None: the newest.

    None: it cannot be upgraded from here.

    Example:
        @hookimpl
        def gateway_upgrade_plan(target):
            return UpgradePlan(argv=("npm", "install", "-g", f"echo@{target or 'latest'}"), method="npm")
    """


@asked_of("provider")
def gateway_account_cache(record: Record) -> CacheAccount | None:
    """Say what a turn's cached tokens mean under the provider's own rules.

    Called for each recorded turn. Pure.

    :param record: the flight record; tokens are those of this turn alone, seconds are seconds.

    None: nothing is known.

    Example:
        @hookimpl
        def gateway_account_cache(record):
            return CacheAccount(read_tokens=record.usage.cache_read_tokens, ttl_s=300.0)
    """


# -------------------------------------------------------------------------------------------------- policies and pricing


@hookspec
def gateway_approve(proposal: Proposal) -> Verdict | None:
    """Judge a request before anything is launched.

    Called for each request, of every policy. The strictest verdict wins (deny, then ask, then allow), the lowest posture holds:
    approval never grants more than was asked.

    :param proposal: the request, the posture it would get, the strategy and strictness that the caller chose.

    None: no opinion. A strategy other than `legacy` of which no policy has an opinion is refused. A policy that raises counts as
    a denial.

    Example:
        @hookimpl
        def gateway_approve(proposal):
            if proposal.posture is Posture.BYPASS:
                return Verdict(decision=Decision.DENY, policy="house", reasons=("Nobody runs unattended here.",))
    """


@hookspec(firstresult=True)
def gateway_price(usage: Usage, provider: str, model: str | None) -> Cost | None:
    """Price a turn whose CLI reported no cost.

    Called for each turn without a reported cost. Pure.

    :param usage: tokens of this turn alone.
    :param provider: the provider's name.
    :param model: the model that answered; None when it is not known.

    None: the price is not known, which is never reported as zero.

    Example:
        @hookimpl
        def gateway_price(usage, provider, model):
            return Cost(usd=0.0, basis=CostBasis.COMPUTED) if provider == "echo" else None
    """


# ---------------------------------------------------------------------------------------- stores, engines, transports


@asked_of("store", required=True)
def gateway_open_store(url: str, home: str) -> Store | None:
    """Make a store for a URL, unopened.

    Called once at start, with `[store] url`, of the plugin whose entry-point name is the URL's scheme.

    :param url: such as `sqlite:///path/to/file` (absolute path; empty: a file in `home`).
    :param home: the gateway's home directory.

    None: this URL is not mine.

    Example:
        @hookimpl
        def gateway_open_store(url, home):
            return MemoryStore() if url.startswith("memory:") else None
    """


@asked_of("engine", required=True)
def gateway_open_engine(url: str, home: str) -> Engine | None:
    """Make an engine for a URL, unopened.

    Called once at start, with `[engine] url`, of the plugin whose entry-point name is the URL's scheme.

    :param url: such as `local:`.
    :param home: the gateway's home directory; job folders are `<home>/jobs/<job id>/`.

    None: this URL is not mine.

    Example:
        @hookimpl
        def gateway_open_engine(url, home):
            return LocalEngine(Path(home)) if url.startswith("local:") else None
    """


@asked_of("transport", required=True)
def gateway_open_transport(name: str) -> Transport | None:
    """Make a transport.

    Called once by `llm-gateway serve`, of the plugin whose entry-point name it is.

    :param name: such as `mcp`.

    None: this transport is not mine.

    Example:
        @hookimpl
        def gateway_open_transport(name):
            return McpTransport() if name == "mcp" else None
    """


# --------------------------------------------------------------------------------------------------------------- surface


@hookspec
def gateway_operations() -> Sequence[Operation]:
    """Bring more operations.

    Called once at start. An operation with a name that is taken, or a parameter model without a usable schema, is dropped and
    reported; the others stay.

    Example:
        @hookimpl
        def gateway_operations():
            return [Operation(name="greet", title="Greet", description="Say hello.", params=P, result=R, handler=greet)]
    """


@hookspec
def gateway_resources() -> Sequence[Resource]:
    """Bring more resources.

    Called once at start.

    Example:
        @hookimpl
        def gateway_resources():
            return [Resource(uri="house://rules", name="rules", description="House rules.", read=read_rules)]
    """


@hookspec
def gateway_prompts() -> Sequence[PromptTemplate]:
    """Bring prompts that a client may offer to its user.

    Called once at start.

    Example:
        @hookimpl
        def gateway_prompts():
            return [PromptTemplate(name="review", title="Review", description="Review a diff.", render=render)]
    """


@hookspec
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """Bring settings of the plugin's own: section name -> model (extra="forbid", every field with a default).

    Called once at start, before anything else but `gateway_describe_provider`. The section of a provider stands under
    `[providers.<name>]` beside the kernel's own keys; any other is a section at the top. Keys are as strict as the kernel's.

    Example:
        @hookimpl
        def gateway_settings():
            return {"house": HouseSettings}
    """


@hookspec
def gateway_mcp_servers() -> Sequence[McpServer]:
    """Name MCP servers that callers may give to runs.

    Called once at start. `[mcp_servers.<name>]` in the settings adds to these and overrides them.

    Example:
        @hookimpl
        def gateway_mcp_servers():
            return [McpServer(name="search", command="search-mcp")]
    """


# ------------------------------------------------------------------------------------------------------------- observers


@hookspec
def gateway_job_changed(job: Job) -> None:
    """Learn that a job entered a new state.

    Called after the store has it, once for each change that this gateway made. An observer that raises is logged and skipped.

    :param job: the job in its new state.

    Example:
        @hookimpl
        def gateway_job_changed(job):
            counter[job.state] += 1
    """


@hookspec
def gateway_turn_recorded(record: Record) -> None:
    """Learn that a turn was recorded.

    Called after the store has it. An observer that raises is logged and skipped.

    :param record: the flight record: numbers and hashes, no words.

    Example:
        @hookimpl
        def gateway_turn_recorded(record):
            total.add(record.cost.usd or 0)
    """
