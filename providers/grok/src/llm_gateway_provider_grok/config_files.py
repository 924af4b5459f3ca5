"""The files that Grok reads in addition to the working directory: its own, and the user's files for Claude Code."""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents

_USER_FILES = (
    *("config.toml", "auth.json", "trusted_folders.toml", "AGENTS.md"),
    *("agents", "commands", "hooks", "rules", "skills"),
)
_CLAUDE_FILES = ("settings.json", "CLAUDE.md", "agents", "commands", "rules", "skills")
_PROJECT_FILES = (
    *("AGENTS.md", "CLAUDE.md", "CLAUDE.local.md", ".mcp.json"),
    *(".grok/config.toml", ".grok/agents", ".grok/hooks", ".grok/rules", ".grok/skills"),
    *(".claude/settings.json", ".claude/settings.local.json", ".claude/rules"),
)


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Return the paths of settings, login and instructions."""
    home = environ.get("HOME") or "/"
    folder = environ.get("GROK_HOME") or os.path.join(home, ".grok")
    paths = [os.path.join(folder, name) for name in _USER_FILES]
    paths += [os.path.join(home, ".claude", name) for name in _CLAUDE_FILES]
    login = environ.get("GROK_AUTH_PATH")
    if login:
        paths.append(os.path.abspath(login))
    return [*paths, *in_parents(working_dir, _PROJECT_FILES)]
