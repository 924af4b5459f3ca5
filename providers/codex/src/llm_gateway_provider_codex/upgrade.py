"""Plan the upgrade of this installation of Codex from the path of its program. Runs nothing."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from llm_gateway import UpgradePlan, error_for
from llm_gateway_provider_codex.failures import CONTRACT

PACKAGE = CONTRACT.package
_TARGET = re.compile(r"\d+\.\d+\.\d+|latest")
_OPTIONAL = "Its native program is an optional package: --omit=optional breaks it."


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    if target is not None and not _TARGET.fullmatch(target):
        raise error_for(
            "invalid_request", f"not a version of Codex, such as {CONTRACT.newest} or latest: {target[:40]!r}"
        )
    if program is None:
        return None
    for path in (PurePath(os.path.realpath(program)), PurePath(program)):
        parts = path.parts
        if "node_modules" in parts:
            prefix = PurePath(*parts[: parts.index("node_modules")])
            spec = f"{PACKAGE}@{target or 'latest'}"
            # `codex update` supports only global installations.
            location = ["--prefix", str(prefix)]
            if prefix.name == "lib":
                location = ["-g", "--prefix", str(prefix.parent)]
            argv = ("npm", "install", *location, spec)
            return UpgradePlan(argv=argv, method="npm", note=_OPTIONAL)
        if "Caskroom" in parts or "Cellar" in parts:
            cask = ("--cask",) if "Caskroom" in parts else ()
            note = "Homebrew decides the version." if target else ""
            return UpgradePlan(argv=("brew", "upgrade", *cask, "codex"), method="brew", note=note)
    return None
