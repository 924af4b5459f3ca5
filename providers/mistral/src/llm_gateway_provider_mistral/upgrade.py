"""Plan the upgrade of this installation of Vibe from the path of its program. Runs nothing.

Vibe's `--check-upgrade` is not used: it waits for input in a terminal.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from llm_gateway import UpgradePlan, error_for
from llm_gateway_provider_mistral.failures import CONTRACT

PACKAGE = CONTRACT.package
_TARGET = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_PINNED = (
    "Vibe pins an exact version of each dependency: if the package index lacks one of them, the installation fails."
)


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    if target == "latest":
        target = None
    if target is not None and not _TARGET.fullmatch(target):
        raise error_for(
            "invalid_request", f"not a version of Mistral Vibe, such as {CONTRACT.newest} or latest: {target[:40]!r}"
        )
    if program is None:
        return None
    spec = f"{PACKAGE}=={target}" if target else PACKAGE
    for path in (PurePath(os.path.realpath(program)), PurePath(program)):
        parts = path.parts
        if "Cellar" in parts or "Caskroom" in parts:
            note = "Homebrew decides the version." if target else ""
            return UpgradePlan(argv=("brew", "upgrade", PACKAGE), method="brew", note=note)
        if _below(parts, "uv", "tools", PACKAGE):
            command = ("install", spec) if target else ("upgrade", PACKAGE)
            return UpgradePlan(argv=("uv", "tool", *command), method="uv", note=_PINNED)
        if _below(parts, "pipx", "venvs", PACKAGE):
            arguments: tuple[str, ...] = ("install", "--force", spec) if target else ("upgrade", PACKAGE)
            return UpgradePlan(argv=("pipx", *arguments), method="pipx", note=_PINNED)
        interpreter = str(path.with_name("python"))
        if parts[-2:-1] == ("bin",) and os.path.exists(interpreter):
            return UpgradePlan(argv=(interpreter, "-m", "pip", "install", "-U", spec), method="pip", note=_PINNED)
    return None


def _below(parts: tuple[str, ...], *names: str) -> bool:
    return any(parts[at : at + len(names)] == names for at in range(len(parts)))
