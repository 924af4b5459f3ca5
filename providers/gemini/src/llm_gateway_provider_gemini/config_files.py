"""What Gemini CLI and Antigravity read beside the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents, with_imports

_OF_USER = (
    *("settings.json", ".env", "oauth_creds.json", "google_accounts.json", "trustedFolders.json", "GEMINI.md"),
    *("agents", "commands", "extensions", "policies", "skills"),
    *("config/mcp_config.json", "antigravity-cli/settings.json"),
)
_OF_PROJECT = ("GEMINI.md", "AGENTS.md", ".env", ".gemini/.env", ".gemini/settings.json", ".agents/mcp_config.json")
_OF_MACHINE = ("/etc/gemini-cli/settings.json", "/etc/gemini-cli/system-defaults.json")


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Settings, login and instructions."""
    home = environ.get("GEMINI_CLI_HOME") or environ.get("HOME") or "/"
    paths = [os.path.join(home, ".gemini", name) for name in _OF_USER]
    paths += [path for path in (environ.get("GOOGLE_APPLICATION_CREDENTIALS"),) if path and os.path.isabs(path)]
    return with_imports([*paths, *_OF_MACHINE, *in_parents(working_dir, _OF_PROJECT)], home)
