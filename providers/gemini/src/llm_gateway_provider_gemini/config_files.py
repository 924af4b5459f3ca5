"""The files that Gemini CLI and Antigravity read in addition to the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping

from llm_gateway import in_parents, with_imports

_USER_FILES = (
    *("settings.json", ".env", "oauth_creds.json", "google_accounts.json", "trustedFolders.json", "GEMINI.md"),
    *("agents", "commands", "extensions", "policies", "skills"),
    *("config/mcp_config.json", "antigravity-cli/settings.json"),
)
_PROJECT_FILES = ("GEMINI.md", "AGENTS.md", ".env", ".gemini/.env", ".gemini/settings.json", ".agents/mcp_config.json")
_MACHINE_FILES = ("/etc/gemini-cli/settings.json", "/etc/gemini-cli/system-defaults.json")


def config_files(environ: Mapping[str, str], working_dir: str) -> list[str]:
    """Return the paths of settings, login and instructions."""
    home = environ.get("GEMINI_CLI_HOME") or environ.get("HOME") or "/"
    paths = [os.path.join(home, ".gemini", name) for name in _USER_FILES]
    credentials = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if credentials and os.path.isabs(credentials):
        paths.append(credentials)
    return with_imports([*paths, *_MACHINE_FILES, *in_parents(working_dir, _PROJECT_FILES)], home)
