"""The provider: Antigravity and Gemini CLI as two variants of one provider."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from pydantic import BaseModel

from llm_gateway import (
    CacheAccount,
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
from llm_gateway_provider_gemini import config_files, loopback, models, places, resume, upgrade
from llm_gateway_provider_gemini.agy import argv as agy_argv, failures as agy_failures
from llm_gateway_provider_gemini.agy.output import AgyReader
from llm_gateway_provider_gemini.gemini_cli import argv, failures, login, own_config
from llm_gateway_provider_gemini.gemini_cli.output import GeminiReader
from llm_gateway_provider_gemini.gemini_cli.rules import MODE_OF
from llm_gateway_provider_gemini.options import (
    AGY,
    GEMINI,
    GeminiOptions,
    GeminiSettings,
    posture_of,
)
from llm_gateway_provider_kit.upgrades import plan_upgrade

#: Not `GEMINI_CLI_*`: the run must not receive variables of an editor or of a parent Gemini CLI (GEMINI_CLI_IDE_…).
GEMINI_ENV = (
    "GEMINI_API_KEY",
    "GEMINI_API_KEY_AUTH_MECHANISM",
    "GEMINI_CLI_CUSTOM_HEADERS",
    "GEMINI_CLI_HOME",
    "GEMINI_CLI_USE_COMPUTE_ADC",
    "GEMINI_MODEL",
    "GOOGLE_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_VERTEX_BASE_URL",
)
#: Access to the keyring, where its login is stored.
AGY_ENV = ("DBUS_SESSION_BUS_ADDRESS",)

_NO_CONFIG = OwnConfig()
_HOME = "${GEMINI_CLI_HOME:-~}/.gemini"
_SETTINGS = (
    *("settings.json", "GEMINI.md", ".env", "trustedFolders.json", "trusted_hooks.json", "mcp-server-enablement.json"),
    *("agents", "commands", "extensions", "hooks", "policies", "skills"),
)
_HOSTS = ("cloudcode-pa.googleapis.com", "generativelanguage.googleapis.com", "oauth2.googleapis.com")
_VERTEX_HOSTS = ("aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com")

_GEMINI = ProviderInfo(
    name="gemini",
    variant=GEMINI,
    title="Gemini CLI",
    executable=argv.EXECUTABLE,
    options_model=GeminiOptions,
    posture_of=posture_of,
    postures=tuple(MODE_OF),
    supports=frozenset({"allowedTools", "disallowedTools", "addDirs", "mcpServers", "maxTurns", "sessionId"}),
    # It exits with 0 shortly after the signal; during a tool call, after two seconds.
    end_steps=(EndStep(signal=signal.SIGTERM, grace_s=4.0),),
    env=GEMINI_ENV,
    config_files=config_files.config_files,
    read_config=own_config.read,
    opens=places.opens,
    private_places=places.GEMINI_PRIVATE,
    native_id_pattern=resume.SESSION_ID,
    **failures.CONTRACT.facts(),
    logged_in=login.logged_in,
    own_paths=(_HOME,),
    own_settings=(*(f"{_HOME}/{name}" for name in _SETTINGS), "${GOOGLE_APPLICATION_CREDENTIALS:-}"),
    hosts=(*_HOSTS, *_VERTEX_HOSTS),
    url_env=("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"),
    project_folders=(".gemini",),
)
_AGY = ProviderInfo(
    name="gemini",
    variant=AGY,
    title="Antigravity",
    executable=agy_argv.EXECUTABLE,
    options_model=GeminiOptions,
    posture_of=posture_of,
    postures=tuple(agy_argv.LEVELS),
    supports=frozenset({"addDirs", "effort", "outputSchema", "sessionId"}),
    env=AGY_ENV,
    config_files=config_files.config_files,
    private_places=places.AGY_PRIVATE,
    native_id_pattern=resume.SESSION_ID,
    **(agy_failures.CONTRACT.facts() | {"install": agy_failures.INSTALL}),
    own_paths=("~/.gemini",),
    own_settings=("~/.gemini/config", "~/.gemini/GEMINI.md", "~/.gemini/antigravity-cli/mcp_config.json"),
    hosts=_HOSTS,
    project_folders=(".agents", ".gemini"),
)


_BOTH = replace(
    _GEMINI,
    variant="",
    title="Gemini",
    supports=_GEMINI.supports | _AGY.supports,
    env=(*GEMINI_ENV, *AGY_ENV),
    variants={AGY: _AGY, GEMINI: _GEMINI},
)


class GeminiProvider(Provider):
    """Both programs. The outer values of `info` combine the values of both."""

    settings_model = GeminiSettings

    def __init__(self) -> None:
        self._settings = GeminiSettings()
        self.info = replace(_BOTH, variant_of=self._variant_of)

    def _variant_of(self, options: object) -> str | None:
        """The program that a request asks for; asked with None: the one that the settings name."""
        return options.flavor if isinstance(options, GeminiOptions) else self._settings.flavor

    def _is_agy(self, program: str) -> bool:
        """Identify the program by its name, as the kernel does. With another name, the settings decide, then the first variant."""
        name = PurePath(program).name
        return name == agy_argv.EXECUTABLE or (name != argv.EXECUTABLE and self._settings.flavor != GEMINI)

    def configure(self, settings: BaseModel) -> None:
        """Store the operator's settings."""
        assert isinstance(settings, GeminiSettings)
        self._settings = settings

    def build_argv(
        self, request: Request, posture: Posture, resume: Resume, config: OwnConfig = _NO_CONFIG
    ) -> Invocation:
        """See agy/argv.py and gemini_cli/argv.py."""
        if request.variant == AGY:
            return agy_argv.build(request, posture, resume)
        return argv.build(request, posture, resume, default_model=self._settings.default_model, config=config)

    def resume_session(self, request: Request, session: Session | None) -> Resume:
        """See resume.py."""
        return resume.enter(request, session)

    def open_reader(self, request: Request) -> OutputReader:
        """See agy/output.py and gemini_cli/output.py."""
        if request.variant == AGY:
            return AgyReader()
        return GeminiReader([server.name for server in request.mcp_servers])

    def explain_failure(self, run: FinishedRun) -> Failure:
        """See the failures.py of each program."""
        return agy_failures.explain(run) if run.request.variant == AGY else failures.explain(run)

    def list_models(self, program: str | None) -> Sequence[ModelInfo]:
        """See models.py."""
        catalogue = models.read_catalogue(program, os.environ) if program and self._is_agy(program) else ""
        return models.list_models(os.environ, self._settings.default_model, catalogue)

    def upgrade_plan(self, target: str | None, program: str | None) -> UpgradePlan | None:
        """See upgrade.py. The plan is for the program that runs requests."""
        if program and self._is_agy(program):
            return upgrade.plan_agy(program, target)
        return plan_upgrade(upgrade.PACKAGE, program, target, os.environ)

    def account_cache(self, record: Record, earlier: Sequence[Record]) -> CacheAccount:
        """Return what was read. The service reports neither what it keeps nor for how long."""
        return CacheAccount(read_tokens=record.usage.cache_read_tokens)

    def loopback(self, service: str, folder: str, variant: str) -> Loopback | None:
        """See loopback.py."""
        return loopback.loopback(service, variant)


@hookimpl
def gateway_register_provider() -> Provider:
    """Register both programs as one provider."""
    return GeminiProvider()
