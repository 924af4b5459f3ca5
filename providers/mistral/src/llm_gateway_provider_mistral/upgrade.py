"""How this installation of Vibe is upgraded. Not by `vibe --check-upgrade`: it waits for input in a terminal."""

from __future__ import annotations

import os

from llm_gateway import UpgradePlan
from llm_gateway_provider_kit.upgrades import Package, plan_upgrade
from llm_gateway_provider_mistral.failures import CONTRACT

_PINNED = (
    "Vibe pins an exact version of each dependency: if the package index lacks one of them, the installation fails."
)
PACKAGE = Package(
    title="Mistral Vibe",
    newest=CONTRACT.newest,
    python=CONTRACT.package,
    notes=dict.fromkeys(("uv", "pipx", "pip", "mise"), _PINNED),
)


def plan(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for the program at this path; None: unknown kind of installation. Raises InvalidRequest."""
    return plan_upgrade(PACKAGE, program, target, os.environ)
