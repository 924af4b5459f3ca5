"""Plan the upgrade of an installation from the path of its program. Runs nothing."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from llm_gateway import UpgradePlan, error_for
from llm_gateway_provider_gemini.gemini_cli.failures import CONTRACT

PACKAGE = CONTRACT.package
_TARGET = re.compile(r"\d+\.\d+\.\d+(-[a-z0-9.]+)?|latest|preview|nightly")


def plan_gemini_cli(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for Gemini CLI at this path; None: unknown kind of installation. Raises InvalidRequest."""
    if target is not None and not _TARGET.fullmatch(target):
        raise error_for(
            "invalid_request", f"not a version of Gemini CLI, such as {CONTRACT.newest} or latest: {target[:40]!r}"
        )
    if program is None:
        return None
    for path in (PurePath(os.path.realpath(program)), PurePath(program)):
        parts = path.parts
        if "Cellar" in parts:
            note = "Homebrew decides the version." if target else ""
            return UpgradePlan(argv=("brew", "upgrade", "gemini-cli"), method="brew", note=note)
        if "_npx" in parts:
            return None  # npx manages its own copy
        if "node_modules" in parts:
            prefix = PurePath(*parts[: parts.index("node_modules")])
            spec = f"{PACKAGE}@{target or 'latest'}"
            if prefix.name == "lib":
                return UpgradePlan(argv=("npm", "install", "-g", "--prefix", str(prefix.parent), spec), method="npm")
            return UpgradePlan(argv=("npm", "install", "--prefix", str(prefix), spec), method="npm")
    return None


def plan_agy(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for Antigravity at this path. Raises InvalidRequest for a version: only the newest is available."""
    if target not in (None, "latest"):
        raise error_for("invalid_request", "`agy update` installs only the newest version: leave the version out")
    return UpgradePlan(argv=(program, "update"), method="native") if program else None
