"""Plan the upgrade of this installation of Grok from the path of its program. Runs nothing."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from llm_gateway import UpgradePlan, error_for
from llm_gateway_provider_grok.failures import CONTRACT

#: @vibe-kit/grok-cli installs a command of the same name.
SCOPE = "@xai-official"
_TARGET = re.compile(r"\d+\.\d+\.\d+|latest|stable|alpha")


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    if target is not None and not _TARGET.fullmatch(target):
        raise error_for(
            "invalid_request", f"not a version of Grok, such as {CONTRACT.newest} or stable: {target[:40]!r}"
        )
    if program is None:
        return None
    for path in (PurePath(os.path.realpath(program)), PurePath(program)):
        parts = path.parts
        if "node_modules" in parts and SCOPE in parts:
            prefix = PurePath(*parts[: parts.index("node_modules")])
            spec = f"{SCOPE}/grok@{target or 'latest'}"
            where = ("-g", "--prefix", str(prefix.parent)) if prefix.name == "lib" else ("--prefix", str(prefix))
            return UpgradePlan(argv=("npm", "install", *where, spec), method="npm")
        if re.fullmatch(r"grok(-\d[\w.+-]*)?", path.name) and parts[-2:-1] == ("bin",) and ".grok" in parts:
            return UpgradePlan(argv=(program, "update", *_version_flags(target)), method="native")
    return None


def _version_flags(target: str | None) -> tuple[str, ...]:
    if target in ("stable", "alpha"):
        return (f"--{target}",)
    return ("--version", target) if target not in (None, "latest") else ()
