"""How this installation of Codex is upgraded. Not by `codex update`: it supports only global installations of npm."""

from __future__ import annotations

import os

from llm_gateway import UpgradePlan
from llm_gateway_provider_codex.failures import CONTRACT
from llm_gateway_provider_kit.upgrades import Package, plan_upgrade

PACKAGE = Package(
    title="Codex",
    newest=CONTRACT.newest,
    npm=CONTRACT.package,
    notes={"npm": "Its native program is an optional package: --omit=optional breaks it."},
)


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    return plan_upgrade(PACKAGE, program, target, os.environ)
