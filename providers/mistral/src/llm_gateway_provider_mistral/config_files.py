"""The files that Mistral Vibe reads in addition to the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents

_USER_FILES = (
    *("config.toml", ".env", "trusted_folders.toml", "AGENTS.md", "hooks.toml"),
    *("agents", "plugins", "prompts", "skills"),
)
_PROJECT_FILES = (
    *("AGENTS.md", ".vibe/config.toml", ".vibe/.env", ".vibe/hooks.toml"),
    *(".vibe/agents", ".vibe/prompts", ".vibe/skills"),
)


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Return the paths of settings, login and instructions."""
    folder = environ.get("VIBE_HOME") or os.path.join(environ.get("HOME") or "/", ".vibe")
    return [*(os.path.join(folder, name) for name in _USER_FILES), *in_parents(working_dir, _PROJECT_FILES)]
