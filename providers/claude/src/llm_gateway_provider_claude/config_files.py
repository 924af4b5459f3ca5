"""What Claude Code reads beside the working directory.

`~/.claude.json` is left out: the program writes it at each run, and what it says of MCP servers does not reach a run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents, with_imports

_OF_USER = (
    *("settings.json", ".credentials.json", "CLAUDE.md"),
    *("agents", "commands", "output-styles", "rules", "skills", "plugins/installed_plugins.json"),
)
_OF_PROJECT = (
    *("CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", ".mcp.json"),
    *(".claude/CLAUDE.md", ".claude/settings.json", ".claude/settings.local.json", ".claude/rules"),
)
_OF_MACHINE = ("managed-settings.json", "managed-settings.d", "managed-mcp.json", "CLAUDE.md")


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Settings, login and instructions."""
    home = environ.get("HOME") or "/"
    own = environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")
    paths = [os.path.join(own, name) for name in _OF_USER]
    paths += [os.path.join("/etc/claude-code", name) for name in _OF_MACHINE]
    return with_imports([*paths, *in_parents(working_dir, _OF_PROJECT)], home)
