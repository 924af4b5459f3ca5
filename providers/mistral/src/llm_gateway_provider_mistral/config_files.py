"""What Mistral Vibe reads beside the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents

_OF_USER = (
    *("config.toml", ".env", "trusted_folders.toml", "AGENTS.md", "hooks.toml"),
    *("agents", "plugins", "prompts", "skills"),
)
_OF_PROJECT = (
    *("AGENTS.md", ".vibe/config.toml", ".vibe/.env", ".vibe/hooks.toml"),
    *(".vibe/agents", ".vibe/prompts", ".vibe/skills"),
)


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Settings, login and instructions."""
    own = environ.get("VIBE_HOME") or os.path.join(environ.get("HOME") or "/", ".vibe")
    return [*(os.path.join(own, name) for name in _OF_USER), *in_parents(working_dir, _OF_PROJECT)]
