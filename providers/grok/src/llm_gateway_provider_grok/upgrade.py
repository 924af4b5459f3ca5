"""How this installation of Grok is upgraded."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from llm_gateway import UpgradePlan
from llm_gateway_provider_grok.failures import CONTRACT
from llm_gateway_provider_kit.upgrades import Package, plan_upgrade

_CHANNELS = ("stable", "alpha")


def _native(path: PurePath, target: str | None, program: str) -> UpgradePlan | None:
    installed = path.parts[-2:-1] == ("bin",) and ".grok" in path.parts
    if not installed or not re.fullmatch(r"grok(-\d[\w.+-]*)?", path.name):
        return None
    version: tuple[str, ...] = ("--version", target) if target else ()
    if target in _CHANNELS:
        version = (f"--{target}",)
    return UpgradePlan(argv=(program, "update", *version), method="native")


PACKAGE = Package(
    title="Grok", newest=CONTRACT.newest, npm=CONTRACT.package, tags=("latest", *_CHANNELS), native=_native
)


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    return plan_upgrade(PACKAGE, program, target, os.environ)
