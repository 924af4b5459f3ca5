"""What Codex reads beside the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from glob import escape, glob

from llm_gateway import in_parents

_OF_USER = (
    *("config.toml", "managed_config.toml", "auth.json", "AGENTS.md", "AGENTS.override.md"),
    *("agents", "prompts", "rules", "skills", "hooks.json"),
)
_OF_PROJECT = ("AGENTS.md", "AGENTS.override.md", ".codex", ".agents")
_OF_MACHINE = ("/etc/codex/config.toml", "/etc/codex/managed_config.toml", "/etc/codex/requirements.toml")


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Settings (profiles included), login and instructions."""
    own = environ.get("CODEX_HOME") or os.path.join(environ.get("HOME") or "/", ".codex")
    profiles = sorted(glob(os.path.join(escape(own), "*.config.toml")))
    # `.codex` in the user's home is the program's own folder, with its logs: what counts of it stands above.
    project = [path for path in in_parents(working_dir, _OF_PROJECT) if path != own]
    return [*(os.path.join(own, name) for name in _OF_USER), *profiles, *_OF_MACHINE, *project]
