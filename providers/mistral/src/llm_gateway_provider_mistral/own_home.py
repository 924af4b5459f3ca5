"""The configuration folder of a run. Pure.

Vibe has no option against hooks, plugins, custom tools and permissions in the user's folder, and it loads those of a project whose
folder the user trusts there, and the project's services. So a run has a folder of its own, with those settings that say which
model answers, where, and for which account. The folder names no trusted project. Conversations and keys stay in the user's folder.
"""

from __future__ import annotations

from llm_gateway import OwnConfig
from llm_gateway_provider_kit.own_home import OwnHome, SettingsFile
from llm_gateway_provider_kit.own_home.launch import document

_SERVICE = (
    *("active_model", "providers", "models", "allowed_models", "compaction_model", "vision_model", "utility_models"),
    *("routed_default_model", "routed_model_config", "routed_extra_models", "catalog_model_aliases"),
    *("catalog_recommended_model", "experimental_enable_model_catalog", "vibe_base_url", "console_base_url"),
    *("enable_system_trust_store", "api_timeout", "api_stream_idle_timeout", "api_connect_timeout"),
    *("api_write_timeout", "api_pool_timeout"),
)
_LIMITS = ("disabled_tools", "tools.*.denylist", "enable_auto_approve", "enable_background_processes")
_OTHERS = (
    *("auto_compact_threshold", "compaction_reasoning_limit_tokens", "output_limit_retries", "session_logging"),
    *("include_commit_signature", "include_project_context", "project_context", "log_level", "applied_migrations"),
)
KEPT = (*_SERVICE, *_LIMITS, *_OTHERS)

#: The instructions are given to this agent, which every conversation of the gateway has: the prompt names no file of the run, so
#: it stays the same in the next run.
_AGENT = "agents/ask.toml"
_CACHES = (
    *("builtin-skills", "cache.toml", "managed_config_cache.json", "model_catalog_cache.json"),
    *("utility_model_cache.json", "whoami_cache.json"),
)

_CODE = ("plugins", "tools")


def of(config: OwnConfig) -> OwnHome:
    """Return the folder of a run."""
    choice, own = config.choice, config.settings
    made: dict[str, str] = {}
    if config.instructions:
        made[_AGENT] = document({"instructions": config.instructions})
    hooks = getattr(own, "hooks", ())
    if hooks:
        made["hooks.toml"] = document({"hooks": [dict(hook) for hook in hooks]})
    code = _CODE if choice is not None and choice.user_hooks and choice.user else ()
    keep = KEPT if choice is None or choice.user else ()
    return OwnHome(
        variable="VIBE_HOME",
        default=".vibe",
        settings={"config.toml": SettingsFile(keep=keep, set=getattr(own, "project", {}))},
        folders=("logs/session",),
        files=(".env", *_CACHES, *code),
        made=made,
    )
