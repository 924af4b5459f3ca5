"""The hooks of Mistral Vibe's plugin."""

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
from llm_gateway_provider_mistral import (
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
from llm_gateway_provider_mistral.options import MistralOptions, posture_of
from llm_gateway_provider_mistral.output import MistralReader

#: Not `VIBE_*`: such a variable can hold any setting of Vibe, also one that allows every tool.
ENV = (
    "MISTRAL_API_KEY",
    "VIBE_HOME",
    "VIBE_ACTIVE_MODEL",
    "VIBE_MODELS",
    "VIBE_PROVIDERS",
    "VIBE_API_TIMEOUT",
    "VIBE_ENABLE_SYSTEM_TRUST_STORE",
    "DBUS_SESSION_BUS_ADDRESS",  # access to the keyring, where the login may be stored
)


_HOME = "${VIBE_HOME:-~/.vibe}"
_SETTINGS = (
    *(".env", "config.toml", "hooks.toml", "trusted_folders.toml", "AGENTS.md"),
    *("agents", "hooks", "prompts", "skills", "tools"),
)


@hookimpl
def gateway_describe_provider() -> ProviderInfo:
    """Mistral Vibe."""
    return ProviderInfo(
        name="mistral",
        title="Mistral Vibe",
        executable=argv.EXECUTABLE,
        options_model=MistralOptions,
        posture_of=posture_of,
        postures=tuple(argv.LEVELS),
        default_posture=Posture.ACCEPT_EDITS,
        supports=frozenset(
            {"allowedTools", "disallowedTools", "addDirs", "mcpServers", "maxTurns", "maxBudgetUsd", "sessionId"}
        ),
        silent=True,  # an answer is printed only when it is complete
        # It exits within one second, or two during its start, and still writes its export.
        end_steps=(EndStep(signal=signal.SIGTERM, grace_s=6.0),),
        env=ENV,
        config_files=config_files.config_files,
        read_config=own_config.read,
        opens=places.opens,
        private_places=places.PRIVATE,
        native_id_pattern=resume.SESSION_ID,
        **failures.CONTRACT.facts(),
        logged_in=login.logged_in,
        own_paths=(_HOME,),
        own_settings=tuple(f"{_HOME}/{name}" for name in _SETTINGS),
        hosts=("api.mistral.ai", "console.mistral.ai"),
        url_env=("VIBE_PROVIDERS",),
        project_folders=(".vibe",),
    )


@hookimpl
def gateway_build_argv(request: Request, posture: Posture, resume: Resume, config: OwnConfig) -> Invocation:
    """See argv.py."""
    return argv.build(request, posture, resume, config)


@hookimpl
def gateway_resume_session(request: Request, session: Session | None) -> Resume:
    """See resume.py."""
    return resume.enter(request, session)


@hookimpl
def gateway_open_reader(request: Request) -> OutputReader:
    """See output.py."""
    return MistralReader(request)


@hookimpl
def gateway_explain_failure(run: FinishedRun) -> Failure:
    """See failures.py."""
    return failures.explain(run)


@hookimpl
def gateway_list_models() -> Sequence[ModelInfo]:
    """See models.py."""
    return models.list_models(os.environ)


@hookimpl
def gateway_upgrade_plan(target: str | None, program: str | None) -> UpgradePlan | None:
    """See upgrade.py."""
    return upgrade.plan(program, target)


@hookimpl
def gateway_account_cache(record: Record) -> CacheAccount:
    """Return what Vibe reports. How long the service keeps a prefix is unknown."""
    usage = record.usage
    return CacheAccount(read_tokens=usage.cache_read_tokens, written_tokens=usage.cache_creation_tokens)


@hookimpl
def gateway_loopback(service: str) -> Loopback | None:
    """See loopback.py."""
    return loopback.loopback(service)
