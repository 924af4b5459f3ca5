"""The hooks of Claude Code's plugin."""

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
from llm_gateway_provider_claude import (
    argv,
    caching,
    config_files,
    failures,
    loopback,
    models,
    own_config,
    places,
    resume,
    upgrade,
)
from llm_gateway_provider_claude.caching import ClaudeSettings
from llm_gateway_provider_claude.options import ClaudeOptions, posture_of
from llm_gateway_provider_claude.output import ClaudeReader

#: Not `CLAUDE_CODE_*`: if Claude Code started the gateway, the run would receive the session of its parent.
ENV = (
    "ANTHROPIC_*",
    "API_TIMEOUT_MS",
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
    "CLAUDE_CODE_DISABLE_THINKING",
    "CLAUDE_CODE_EFFORT_LEVEL",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "DISABLE_PROMPT_CACHING",
)

#: If the variable is set, the folder also holds the global file; otherwise that file is next to the folder.
_HOME = "${CLAUDE_CONFIG_DIR:-~/.claude}"
_SETTINGS = ("settings.json", "CLAUDE.md", "agents", "commands", "hooks", "output-styles", "plugins", "rules", "skills")

SUPPORTS = frozenset(
    {
        *("allowedTools", "disallowedTools", "addDirs", "mcpServers", "maxTurns", "maxBudgetUsd", "effort"),
        *("outputSchema", "sessionId", "cacheControl"),
    }
)


class _Configured:
    """The operator's settings. The hooks pass them to pure functions."""

    settings = ClaudeSettings()


@hookimpl
def gateway_describe_provider() -> ProviderInfo:
    """Claude Code."""
    return ProviderInfo(
        name="claude",
        title="Claude Code",
        executable=argv.EXECUTABLE,
        program_folders=("~/.claude/local", "~/.claude/local/node_modules/.bin"),
        options_model=ClaudeOptions,
        posture_of=posture_of,
        postures=tuple(argv.LEVELS),
        supports=SUPPORTS,
        # After SIGINT it still prints a result with the tokens. SIGTERM ends it at once and kills its shells.
        end_steps=(EndStep(signal=signal.SIGINT, grace_s=2.0), EndStep(signal=signal.SIGTERM, grace_s=3.0)),
        env=ENV,
        config_files=config_files.config_files,
        read_config=own_config.read,
        opens=places.opens,
        private_places=places.PRIVATE,
        native_id_pattern=resume.SESSION_ID,
        **failures.CONTRACT.facts(),
        own_paths=(_HOME, "${CLAUDE_CONFIG_DIR:-~}/.claude.json"),
        own_settings=tuple(f"{_HOME}/{name}" for name in _SETTINGS),
        hosts=("api.anthropic.com", "console.anthropic.com", "platform.claude.com"),
        url_env=("ANTHROPIC_BASE_URL", "ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_VERTEX_BASE_URL"),
        project_folders=(".claude",),
    )


@hookimpl
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """See caching.py."""
    return {"claude": ClaudeSettings}


@hookimpl
def gateway_configure(settings: Mapping[str, BaseModel]) -> None:
    """Store the operator's settings."""
    configured = settings["claude"]
    assert isinstance(configured, ClaudeSettings)
    _Configured.settings = configured


@hookimpl
def gateway_build_argv(request: Request, posture: Posture, resume: Resume, config: OwnConfig) -> Invocation:
    """See argv.py."""
    return argv.build(request, posture, resume, settings=_Configured.settings, config=config)


@hookimpl
def gateway_resume_session(session: Session | None) -> Resume:
    """See resume.py."""
    return resume.enter(session)


@hookimpl
def gateway_open_reader() -> OutputReader:
    """See output.py."""
    return ClaudeReader()


@hookimpl
def gateway_explain_failure(run: FinishedRun) -> Failure | None:
    """See failures.py."""
    return failures.explain(run)


@hookimpl
def gateway_list_models(program: str | None) -> Sequence[ModelInfo]:
    """See models.py."""
    return models.list_models(os.environ, models.read_help(program))


@hookimpl
def gateway_upgrade_plan(target: str | None, program: str | None) -> UpgradePlan | None:
    """See upgrade.py."""
    return upgrade.plan(program, target)


@hookimpl
def gateway_account_cache(record: Record, earlier: Sequence[Record]) -> CacheAccount | None:
    """See caching.py."""
    return caching.account(record, earlier, _Configured.settings)


@hookimpl
def gateway_loopback(service: str) -> Loopback | None:
    """See loopback.py."""
    return loopback.loopback(service)
