"""The hooks. Each one calls the module that implements it."""

from collections.abc import Sequence
from uuid import uuid4

from llm_gateway import (
    CacheAccount,
    Cost,
    CostBasis,
    Failure,
    FinishedRun,
    Invocation,
    ModelInfo,
    NativeSessionId,
    OutputReader,
    Posture,
    ProviderInfo,
    Record,
    Request,
    Resume,
    Session,
    UpgradePlan,
    Usage,
    hookimpl,
)
from llm_gateway_provider_echo import argv, failures, places, resume as conversations, upgrade
from llm_gateway_provider_echo.agent.conversation import CACHE_TTL_S, PRICES
from llm_gateway_provider_echo.options import EchoOptions
from llm_gateway_provider_echo.output import EchoReader

DEFAULT_MODEL = "echo-1"


@hookimpl
def gateway_describe_provider() -> ProviderInfo:
    """Describe the imitation."""
    return ProviderInfo(
        name="echo",
        title="Echo (an imitation agent)",
        executable=argv.EXECUTABLE,
        options_model=EchoOptions,
        postures=tuple(Posture),
        supports=frozenset({"sessionId", "addDirs", "allowedTools", "disallowedTools", "mcpServers"}),
        env=("LLM_GATEWAY_ECHO_HOME", "XDG_STATE_HOME"),
        opens=places.opens,
        private_places=(
            "$LLM_GATEWAY_ECHO_HOME",
            "$XDG_STATE_HOME/llm-gateway-echo",
            "~/.local/state/llm-gateway-echo",
        ),
        native_id_pattern=r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        versions_seen=("0.1.0", "0.1.0"),
        install=f"pip install {upgrade.DISTRIBUTION}",
        own_paths=("${LLM_GATEWAY_ECHO_HOME:-}", "${XDG_STATE_HOME:-~/.local/state}/llm-gateway-echo"),
    )


@hookimpl
def gateway_build_argv(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """Build the command line."""
    return argv.build_invocation(request, posture, resume)


@hookimpl
def gateway_resume_session(request: Request, session: Session | None) -> Resume:
    """Resume the conversation, or begin one with a new id."""
    return conversations.enter(session, NativeSessionId(str(uuid4())))


@hookimpl
def gateway_open_reader(request: Request) -> OutputReader:
    """Read JSON lines."""
    return EchoReader()


@hookimpl
def gateway_explain_failure(run: FinishedRun) -> Failure | None:
    """Return the cause of a failed run."""
    return failures.explain(run)


@hookimpl
def gateway_list_models() -> Sequence[ModelInfo]:
    """List the models of the program, which is part of this distribution."""
    source = "the program's own price table"
    return [ModelInfo(id=name, source=source, default=name == DEFAULT_MODEL) for name in PRICES]


@hookimpl
def gateway_upgrade_plan(target: str | None) -> UpgradePlan | None:
    """Return the upgrade command."""
    return upgrade.plan(target)


@hookimpl
def gateway_account_cache(record: Record) -> CacheAccount | None:
    """Return what the cache holds: the next turn reads everything that this turn read and wrote."""
    read, written = record.usage.cache_read_tokens, record.usage.cache_creation_tokens
    if read is None or written is None:
        return None
    return CacheAccount(read_tokens=read, written_tokens=written, ttl_s=CACHE_TTL_S, held_tokens=read + written)


@hookimpl
def gateway_price(usage: Usage, provider: str, model: str | None) -> Cost | None:
    """Return the price of the imitation's models; no other plugin knows them."""
    rates = PRICES.get(model or "") if provider == "echo" else None
    if rates is None:
        return None
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
    usd = sum((count or 0) * rate for count, rate in zip(counts, rates, strict=True)) / 1e6
    return Cost(usd=round(usd, 9), basis=CostBasis.COMPUTED)
