"""The hooks of Grok's plugin."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

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
    ProviderInfo,
    Record,
    Request,
    Resume,
    Session,
    UpgradePlan,
    hookimpl,
)
from llm_gateway_provider_grok import (
    argv,
    config_files,
    failures,
    login,
    loopback,
    models,
    own_config,
    places,
    resume,
    upgrade,
)
from llm_gateway_provider_grok.options import GrokOptions, posture_of
from llm_gateway_provider_grok.output import GrokReader

#: Not `GROK_*`: permissions, sandboxes and folder trust of the gateway's environment must not apply to the run, and if Grok
#: started the gateway, the run would receive the session of its parent.
ENV = (
    "XAI_API_KEY",
    "GROK_CODE_XAI_API_KEY",
    "GROK_HOME",
    "GROK_AUTH_PATH",
    "GROK_DEFAULT_MODEL",
    "GROK_EXTRA_CA_BUNDLE",
    "GROK_MODELS_BASE_URL",
    "GROK_OAUTH2_CLIENT_ID",
    "GROK_OAUTH2_ISSUER",
    "GROK_OIDC_CLIENT_ID",
    "GROK_OIDC_ISSUER",
    "GROK_XAI_API_BASE_URL",
)
_HOME = "${GROK_HOME:-~/.grok}"
_SETTINGS = ("config.toml", "AGENTS.md", "agents", "bin", "commands", "hooks", "plugins", "rules", "skills")
SUPPORTS = frozenset(
    {"allowedTools", "disallowedTools", "mcpServers", "maxTurns", "effort", "outputSchema", "sessionId"}
)


@hookimpl
def gateway_describe_provider() -> ProviderInfo:
    """Grok Build."""
    return ProviderInfo(
        name="grok",
        title="Grok Build",
        executable=argv.EXECUTABLE,
        program_folders=("~/.grok/bin",),
        options_model=GrokOptions,
        posture_of=posture_of,
        # Without workspace_write: Grok's sandbox of that name lets a run write to /tmp, /var/tmp and Grok's own folder too.
        postures=tuple(argv.LEVELS),
        supports=SUPPORTS,
        # Every signal ends it at once without further output. Its commands run in their own process sessions.
        end_steps=(EndStep(signal=signal.SIGTERM, grace_s=2.0),),
        env=ENV,
        config_files=config_files.config_files,
        read_config=own_config.read,
        opens=places.opens,
        private_places=places.PRIVATE,
        native_id_pattern=resume.SESSION_ID,
        **failures.CONTRACT.facts(),
        logged_in=login.logged_in,
        own_paths=(_HOME, "${GROK_AUTH_PATH:-}"),
        own_settings=(*(f"{_HOME}/{name}" for name in _SETTINGS), "${GROK_EXTRA_CA_BUNDLE:-}"),
        hosts=("accounts.x.ai", "api.x.ai", "auth.x.ai", "cli-chat-proxy.grok.com"),
        url_env=("GROK_XAI_API_BASE_URL", "GROK_MODELS_BASE_URL", "GROK_OAUTH2_ISSUER", "GROK_OIDC_ISSUER"),
        project_folders=(".grok",),
    )


@hookimpl
def gateway_build_argv(request: Request, posture: Posture, resume: Resume, config: OwnConfig) -> Invocation:
    """See argv.py."""
    return argv.build(request, posture, resume, config)


@hookimpl
def gateway_resume_session(session: Session | None) -> Resume:
    """See resume.py."""
    return resume.enter(session)


@hookimpl
def gateway_open_reader() -> OutputReader:
    """See output.py."""
    return GrokReader()


@hookimpl
def gateway_explain_failure(run: FinishedRun) -> Failure:
    """See failures.py."""
    return failures.explain(run)


@hookimpl
def gateway_list_models(program: str | None) -> Sequence[ModelInfo]:
    """See models.py."""
    return models.list_models(os.environ, models.read_catalogue(program, os.environ))


@hookimpl
def gateway_upgrade_plan(target: str | None, program: str | None) -> UpgradePlan | None:
    """See upgrade.py."""
    return upgrade.plan(program, target)


@hookimpl
def gateway_account_cache(record: Record) -> CacheAccount:
    """Return what was read from the service's cache. The service does not report what it keeps, or how long."""
    usage = record.usage
    return CacheAccount(read_tokens=usage.cache_read_tokens, written_tokens=usage.cache_creation_tokens)


@hookimpl
def gateway_loopback(service: str) -> Loopback | None:
    """See loopback.py."""
    return loopback.loopback(service)
