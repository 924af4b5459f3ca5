"""The provider of Codex."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel

from llm_gateway import (
    CacheAccount,
    ConfigChoice,
    EndStep,
    Failure,
    FinishedRun,
    Invocation,
    Loopback,
    ModelInfo,
    OutputReader,
    OwnConfig,
    Posture,
    Provider,
    ProviderInfo,
    Record,
    Request,
    Resume,
    Session,
    UpgradePlan,
    hookimpl,
)
from llm_gateway_provider_codex import (
    argv,
    config_files,
    failures,
    login,
    loopback,
    models,
    own_config,
    places,
    upgrade,
)
from llm_gateway_provider_codex.options import CodexOptions, CodexSettings, posture_of
from llm_gateway_provider_codex.output import CodexReader
from llm_gateway_provider_kit.conversations import UUID, resume_or_start
from llm_gateway_provider_kit.upgrades import plan_upgrade

#: Not `CODEX_*`: if Codex started the gateway, the run would receive CODEX_THREAD_ID and CODEX_SANDBOX of its parent.
ENV = (
    "CODEX_ACCESS_TOKEN",
    "CODEX_API_KEY",
    "CODEX_CA_CERTIFICATE",
    "CODEX_HOME",
    "CODEX_SQLITE_HOME",
    "OPENAI_API_KEY",  # Codex ignores it, unless [providers.codex] overrides names it as the key of a service
    "OPENAI_ORGANIZATION",
    "OPENAI_PROJECT",
)
_HOME = "${CODEX_HOME:-~/.codex}"
_SETTINGS = ("config.toml", "AGENTS.md", "AGENTS.override.md", "hooks.json", "prompts", "rules", "skills")
SUPPORTS = frozenset({"addDirs", "mcpServers", "effort", "outputSchema", "sessionId"})

_NO_CONFIG = OwnConfig()
_INFO = ProviderInfo(
    name="codex",
    title="Codex",
    executable=argv.EXECUTABLE,
    options_model=CodexOptions,
    posture_of=posture_of,
    postures=tuple(argv.LEVELS),
    waits_for_limits=True,  # it obeys every Retry-After
    approved_posture=Posture.PROMPTED,  # accept_edits has no shell, and Codex reads files only with its shell
    supports=SUPPORTS,
    # After SIGTERM, commands without a sandbox continue to run. After SIGINT, Codex ends them.
    end_steps=(EndStep(signal=signal.SIGINT, grace_s=2.0), EndStep(signal=signal.SIGTERM, grace_s=3.0)),
    env=ENV,
    config_files=config_files.config_files,
    private_places=places.PRIVATE,
    # Codex reads anything else as a title, and an unknown title silently begins another conversation.
    native_id_pattern=UUID,
    **failures.CONTRACT.facts(),
    own_paths=(_HOME, "${CODEX_SQLITE_HOME:-}"),
    own_settings=tuple(f"{_HOME}/{name}" for name in _SETTINGS),
    hosts=("api.openai.com", "auth.openai.com", "chatgpt.com"),
    project_folders=(".codex",),
)


class CodexProvider(Provider):
    """Codex. Each method calls the module of its subject."""

    settings_model = CodexSettings

    def __init__(self) -> None:
        self._settings = CodexSettings()
        self.info = replace(_INFO, logged_in=self._logged_in, read_config=self._read_config)

    def _logged_in(self, environ: Mapping[str, str]) -> bool | None:
        return login.logged_in(environ, self._settings.overrides)

    def _read_config(self, choice: ConfigChoice) -> OwnConfig:
        return own_config.read(choice, self._settings.overrides)

    def configure(self, settings: BaseModel) -> None:
        """Store the operator's settings. They are the same for every run."""
        assert isinstance(settings, CodexSettings)
        self._settings = settings

    def build_argv(
        self, request: Request, posture: Posture, resume: Resume, config: OwnConfig = _NO_CONFIG
    ) -> Invocation:
        """See argv.py."""
        return argv.build(request, posture, resume, self._settings, os.environ, own=config)

    def resume_session(self, request: Request, session: Session | None) -> Resume:
        """Resume the session's conversation, or begin one, whose id Codex chooses."""
        return resume_or_start(session, self.info.title, chooses_id=False)

    def open_reader(self, request: Request) -> OutputReader:
        """See output.py."""
        return CodexReader(request.output_schema)

    def explain_failure(self, run: FinishedRun) -> Failure | None:
        """See failures.py."""
        return failures.explain(run)

    def list_models(self, program: str | None) -> Sequence[ModelInfo]:
        """See models.py."""
        return models.list_models(os.environ, models.read_catalogue(program))

    def upgrade_plan(self, target: str | None, program: str | None) -> UpgradePlan | None:
        """See upgrade.py."""
        return plan_upgrade(upgrade.PACKAGE, program, target, os.environ)

    def account_cache(self, record: Record, earlier: Sequence[Record]) -> CacheAccount | None:
        """Return what was read and written. The service does not report how long it keeps a prefix."""
        usage = record.usage
        return CacheAccount(read_tokens=usage.cache_read_tokens, written_tokens=usage.cache_creation_tokens)

    def loopback(self, service: str, folder: str, variant: str) -> Loopback | None:
        """See loopback.py."""
        return loopback.loopback(service)


@hookimpl
def gateway_register_provider() -> Provider:
    """Register Codex."""
    return CodexProvider()
