"""The files that Claude Code reads in addition to the working directory.

`~/.claude.json` is left out: the program writes it at each run, and its MCP servers do not reach a run of the gateway.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents, with_imports

_USER_FILES = (
    *("settings.json", ".credentials.json", "CLAUDE.md"),
    *("agents", "commands", "output-styles", "rules", "skills", "plugins/installed_plugins.json"),
)
_PROJECT_FILES = (
    *("CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", ".mcp.json"),
    *(".claude/CLAUDE.md", ".claude/settings.json", ".claude/settings.local.json", ".claude/rules"),
)
_MACHINE_FILES = ("managed-settings.json", "managed-settings.d", "managed-mcp.json", "CLAUDE.md")


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Return the paths of settings, login and instructions."""
    home = environ.get("HOME") or "/"
    config = environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")
    paths = [os.path.join(config, name) for name in _USER_FILES]
    paths += [os.path.join("/etc/claude-code", name) for name in _MACHINE_FILES]
    return with_imports([*paths, *in_parents(working_dir, _PROJECT_FILES)], home)
