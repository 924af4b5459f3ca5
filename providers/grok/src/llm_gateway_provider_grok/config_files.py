"""What Grok reads beside the working directory: its own files, and Claude-style ones of the user."""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents

_OF_USER = (
    *("config.toml", "auth.json", "trusted_folders.toml", "AGENTS.md"),
    *("agents", "commands", "hooks", "rules", "skills"),
)
_OF_CLAUDE = ("settings.json", "CLAUDE.md", "agents", "commands", "rules", "skills")
_OF_PROJECT = (
    *("AGENTS.md", "CLAUDE.md", "CLAUDE.local.md", ".mcp.json"),
    *(".grok/config.toml", ".grok/agents", ".grok/hooks", ".grok/rules", ".grok/skills"),
    *(".claude/settings.json", ".claude/settings.local.json", ".claude/rules"),
)


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Settings, login and instructions."""
    home = environ.get("HOME") or "/"
    own = environ.get("GROK_HOME") or os.path.join(home, ".grok")
    paths = [os.path.join(own, name) for name in _OF_USER]
    paths += [os.path.join(home, ".claude", name) for name in _OF_CLAUDE]
    if login := environ.get("GROK_AUTH_PATH"):
        paths.append(os.path.abspath(login))
    return [*paths, *in_parents(working_dir, _OF_PROJECT)]
