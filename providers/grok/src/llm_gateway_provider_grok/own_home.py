"""The configuration folder of a run. Pure.

Grok has no option against hooks, MCP servers, plugins and permission rules in the user's folder, and it starts those of a project
whose folder the user trusts there. So a run has a folder of its own, with those settings that say which model answers, where, and
for which account. The folder names no trusted project. Conversations and the login stay in the user's folder.

Permission rules also apply from the user's settings for Claude Code. No option prevents that, so below `bypass` these files are
not among what Grok sees as the home. The agent's commands and the MCP servers of the run receive the real home.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway import OwnConfig, Posture
from llm_gateway_provider_kit.own_home import HOME, OWN, OwnHome, SettingsFile
from llm_gateway_provider_kit.own_home.launch import merged

_SERVICE = (
    *("models", "model", "model_providers", "auth", "auth_provider", "grok_com_config"),
    *("endpoints.cli_chat_proxy_base_url", "endpoints.deployment_key", "endpoints.managed_config_url"),
    *("endpoints.models_base_url", "endpoints.models_list_url", "endpoints.xai_api_base_url"),
)
_LIMITS = (
    *("permission.deny", "disable_web_search", "tools.respect_gitignore", "toolset.bash", "toolset.web_search"),
    *("toolset.web_fetch.allowed_domains", "toolset.web_fetch.proxy_endpoint", "ui.disable_bypass_permissions_mode"),
    *("features.remote_fetch", "features.managed_config", "features.telemetry", "features.write_file"),
)
_OTHERS = (
    *("shell_environment_policy", "session.auto_compact_threshold_percent", "subagents.toggle", "subagents.models"),
    *("compat", "skills", "privacy", "telemetry"),
)
KEPT = (*_SERVICE, *_LIMITS, *_OTHERS)
_SET = {
    # The agent's commands must not notice the folder.
    "shell_environment_policy": {"set": {"HOME": HOME, "GROK_HOME": OWN}},
    # It would run a file of the project.
    "session": {"load_envrc": False},
}
#: Grok reads permission rules from them.
HIDDEN = (".claude/settings.json", ".claude/settings.local.json")


_LOGIN = ("auth", "auth_provider", "grok_com_config")
#: What the user wrote for the agent and Grok offers it by name; it starts nothing by itself.
_OFFERED = ("skills", "commands")
_STATE = ("agent_id", "docs", "models_cache.json", "version.json")
#: They start by themselves.
_CODE = ("hooks", "hooks-paths", "disabled-hooks", "plugins", "installed-plugins")


def of(posture: Posture, config: OwnConfig, servers: Mapping[str, Mapping[str, Any]]) -> OwnHome:
    """Return the folder of a run on this level.

    :param servers: the MCP servers of the user's settings that start.
    """
    user = config.choice is None or config.choice.user
    hooks = config.choice is not None and config.choice.user_hooks
    keep = (*(KEPT if user else _LOGIN), *(("hooks", "plugins") if hooks and user else ()))
    own = merged(getattr(config.settings, "settings", {}), _SET)
    return OwnHome(
        variable="GROK_HOME",
        default=".grok",
        settings={
            "config.toml": SettingsFile(keep=keep, set={**own, **({"mcp_servers": servers} if servers else {})}),
            # Of the user's organization. Grok merges both files with the settings.
            "managed_config.toml": SettingsFile(keep=keep),
            "requirements.toml": SettingsFile(keep=keep),
        },
        folders=("sessions", "logs"),
        files=(*_STATE, *(_OFFERED if user else ()), *(_CODE if hooks and user else ())),
        made=getattr(config.settings, "hooks", {}),
        env={"GROK_AUTH_PATH": f"{OWN}/auth.json"},
        hidden=() if posture is Posture.BYPASS else HIDDEN,
        filled=("agent.md",),
    )
