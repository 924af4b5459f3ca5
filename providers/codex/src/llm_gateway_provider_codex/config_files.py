"""The files that Codex reads in addition to the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from glob import escape, glob

from llm_gateway import in_parents

_USER_FILES = (
    *("config.toml", "managed_config.toml", "auth.json", "AGENTS.md", "AGENTS.override.md"),
    *("agents", "prompts", "rules", "skills", "hooks.json"),
)
_PROJECT_FILES = ("AGENTS.md", "AGENTS.override.md", ".codex", ".agents")
_MACHINE_FILES = ("/etc/codex/config.toml", "/etc/codex/managed_config.toml", "/etc/codex/requirements.toml")


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Return the paths of settings (profiles included), login and instructions."""
    folder = environ.get("CODEX_HOME") or os.path.join(environ.get("HOME") or "/", ".codex")
    profiles = sorted(glob(os.path.join(escape(folder), "*.config.toml")))
    # `.codex` in the user's home also holds logs. The files that matter are already listed above.
    project = [path for path in in_parents(working_dir, _PROJECT_FILES) if path != folder]
    return [*(os.path.join(folder, name) for name in _USER_FILES), *profiles, *_MACHINE_FILES, *project]
