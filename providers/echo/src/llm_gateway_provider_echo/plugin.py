"""The provider. Each method calls the module that implements it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from llm_gateway import (
    CacheAccount,
    Cost,
    CostBasis,
    Failure,
    FinishedRun,
    Invocation,
    Loopback,
    ModelInfo,
    NativeSessionId,
    OutputReader,
    Posture,
    Provider,
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


class EchoProvider(Provider):
    """The imitation agent."""

    info = ProviderInfo(
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

    def resume_session(self, request: Request, session: Session | None) -> Resume:
        """Resume the conversation, or begin one with a new id."""
        return conversations.enter(session, NativeSessionId(str(uuid4())))

    def build_argv(self, request: Request, posture: Posture, resume: Resume) -> Invocation:
        """See argv.py."""
        return argv.build_invocation(request, posture, resume)

    def open_reader(self, request: Request) -> OutputReader:
        """See output.py."""
        return EchoReader()

    def explain_failure(self, run: FinishedRun) -> Failure | None:
        """See failures.py."""
        return failures.explain(run)

    def list_models(self, program: str | None) -> Sequence[ModelInfo]:
        """List the models of the program, which is part of this distribution."""
        source = "the program's own price table"
        return [ModelInfo(id=name, source=source, default=name == DEFAULT_MODEL) for name in PRICES]

    def upgrade_plan(self, target: str | None, program: str | None) -> UpgradePlan | None:
        """See upgrade.py."""
        return upgrade.plan(target)

    def account_cache(self, record: Record, earlier: Sequence[Record]) -> CacheAccount | None:
        """Return what the cache holds: the next turn reads everything that this turn read and wrote."""
        read, written = record.usage.cache_read_tokens, record.usage.cache_creation_tokens
        if read is None or written is None:
            return None
        return CacheAccount(read_tokens=read, written_tokens=written, ttl_s=CACHE_TTL_S, held_tokens=read + written)

    def loopback(self, service: str, folder: str, variant: str) -> Loopback:
        """Name the folder of its conversations. The imitation asks no model service, so only its start can be verified."""
        reason = "the imitation asks no model service"
        asks = ("answer", "prompt-as-text", "resume*", "usage", "posture:*", "hostile-project", "instructions")
        others = ("user-settings", "failure:*", "signals", "mcp", "shape")
        return Loopback(
            env={"LLM_GATEWAY_ECHO_HOME": f"{folder}/echo"}, differs=dict.fromkeys((*asks, *others), reason)
        )

    def price(self, usage: Usage, model: str | None) -> Cost | None:
        """Return the price of the imitation's models; no other plugin knows them."""
        rates = PRICES.get(model or "")
        if rates is None or usage.output_tokens is None:  # a run that reported no tokens has no known price
            return None
        counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
        usd = sum((count or 0) * rate for count, rate in zip(counts, rates, strict=True)) / 1e6
        return Cost(usd=round(usd, 9), basis=CostBasis.COMPUTED)


@hookimpl
def gateway_register_provider() -> Provider:
    """Register the imitation."""
    return EchoProvider()
