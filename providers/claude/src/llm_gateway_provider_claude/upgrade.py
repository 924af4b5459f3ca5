"""Plan the upgrade of this installation of Claude Code from the path of its program. Runs nothing."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from llm_gateway import UpgradePlan, error_for
from llm_gateway_provider_claude.failures import CONTRACT

PACKAGE = CONTRACT.package
_TARGET = re.compile(r"\d+\.\d+\.\d+|latest|stable|next")
_NODE_TRAP = "With a Node older than 22, npm quietly installs 2.1.197 unless an exact version is named. Its install scripts must run."


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    if target is not None and not _TARGET.fullmatch(target):
        raise error_for(
            "invalid_request", f"not a version of Claude Code, such as {CONTRACT.newest} or latest: {target[:40]!r}"
        )
    if program is None:
        return None
    for path in (PurePath(os.path.realpath(program)), PurePath(program)):
        parts = path.parts
        if "node_modules" in parts:
            prefix = PurePath(*parts[: parts.index("node_modules")])
            spec = f"{PACKAGE}@{target or 'latest'}"
            if prefix.name == "lib":
                return UpgradePlan(
                    argv=("npm", "install", "-g", "--prefix", str(prefix.parent), spec), method="npm", note=_NODE_TRAP
                )
            return UpgradePlan(argv=("npm", "install", "--prefix", str(prefix), spec), method="npm", note=_NODE_TRAP)
        if "Caskroom" in parts or "Cellar" in parts:
            note = "Homebrew decides the version." if target else ""
            return UpgradePlan(argv=("brew", "upgrade", "claude-code"), method="brew", note=note)
        if parts[-4:-1] == ("share", "claude", "versions") or parts[-3:-1] == ("claude", "versions"):
            return UpgradePlan(argv=(program, "install", target or "latest"), method="native")
    return None
