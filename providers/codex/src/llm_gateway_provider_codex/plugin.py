"""The hooks of Codex's plugin."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence

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
    Posture,
    ProviderInfo,
    Record,
    Request,
    Resume,
    Session,
    UpgradePlan,
    hookimpl,
)
from llm_gateway_provider_codex import argv, config_files, failures, login, loopback, models, places, resume, upgrade
from llm_gateway_provider_codex.options import CodexOptions, CodexSettings, posture_of
from llm_gateway_provider_codex.output import CodexReader

#: Not `CODEX_*`: if Codex started the gateway, the run would receive CODEX_THREAD_ID and CODEX_SANDBOX of its parent.
ENV = (
    "CODEX_ACCESS_TOKEN",
    "CODEX_API_KEY",
    "CODEX_CA_CERTIFICATE",
    "CODEX_HOME",
    "CODEX_SQLITE_HOME",
    "OPENAI_API_KEY",  # Codex ignores it, unless [providers.codex] config names it as the key of a service
    "OPENAI_ORGANIZATION",
    "OPENAI_PROJECT",
)
_HOME = "${CODEX_HOME:-~/.codex}"
_SETTINGS = ("config.toml", "AGENTS.md", "AGENTS.override.md", "hooks.json", "prompts", "rules", "skills")
SUPPORTS = frozenset({"addDirs", "mcpServers", "effort", "outputSchema", "sessionId"})

_settings = {"codex": CodexSettings()}


def _logged_in(environ: Mapping[str, str]) -> bool | None:
    return login.logged_in(environ, _settings["codex"].config)


@hookimpl
def gateway_describe_provider() -> ProviderInfo:
    """Codex."""
    return ProviderInfo(
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
        native_id_pattern=resume.SESSION_ID,
        **failures.CONTRACT.facts(),
        logged_in=_logged_in,
        own_paths=(_HOME, "${CODEX_SQLITE_HOME:-}"),
        own_settings=tuple(f"{_HOME}/{name}" for name in _SETTINGS),
        hosts=("api.openai.com", "auth.openai.com", "chatgpt.com"),
        project_folders=(".codex",),
    )


@hookimpl
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """See options.py."""
    return {"codex": CodexSettings}


@hookimpl
def gateway_configure(settings: Mapping[str, BaseModel]) -> None:
    """Store the operator's settings. They are the same for every run."""
    configured = settings["codex"]
    _settings["codex"] = configured if isinstance(configured, CodexSettings) else CodexSettings()


@hookimpl
def gateway_build_argv(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """See argv.py."""
    return argv.build(request, posture, resume, _settings["codex"], os.environ)


@hookimpl
def gateway_resume_session(session: Session | None) -> Resume:
    """See resume.py."""
    return resume.enter(session)


@hookimpl
def gateway_open_reader(request: Request) -> OutputReader:
    """See output.py."""
    return CodexReader(request.output_schema)


@hookimpl
def gateway_explain_failure(run: FinishedRun) -> Failure | None:
    """See failures.py."""
    return failures.explain(run)


@hookimpl
def gateway_list_models(program: str | None) -> Sequence[ModelInfo]:
    """See models.py."""
    return models.list_models(os.environ, models.read_catalogue(program))


@hookimpl
def gateway_upgrade_plan(target: str | None, program: str | None) -> UpgradePlan | None:
    """See upgrade.py."""
    return upgrade.plan(program, target)


@hookimpl
def gateway_account_cache(record: Record) -> CacheAccount:
    """Return what was read and written. The service does not report how long it keeps a prefix."""
    return CacheAccount(read_tokens=record.usage.cache_read_tokens, written_tokens=record.usage.cache_creation_tokens)


@hookimpl
def gateway_loopback(service: str) -> Loopback | None:
    """See loopback.py."""
    return loopback.loopback(service)
