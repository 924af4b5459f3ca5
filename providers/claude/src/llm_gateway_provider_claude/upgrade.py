"""How this installation of Claude Code is upgraded."""

from __future__ import annotations

import os
from pathlib import PurePath

from llm_gateway import UpgradePlan
from llm_gateway_provider_claude.failures import CONTRACT
from llm_gateway_provider_kit.upgrades import Package, plan_upgrade


def _native(path: PurePath, target: str | None, program: str) -> UpgradePlan | None:
    if path.parts[-3:-1] != ("claude", "versions"):
        return None
    return UpgradePlan(argv=(program, "install", target or "latest"), method="native")


PACKAGE = Package(
    title="Claude Code",
    newest=CONTRACT.newest,
    npm=CONTRACT.package,
    tags=("latest", "stable", "next"),
    notes={
        "npm": "With a Node older than 22, npm quietly installs 2.1.197 unless an exact version is named. Its install scripts must run."
    },
    native=_native,
)


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    return plan_upgrade(PACKAGE, program, target, os.environ)
