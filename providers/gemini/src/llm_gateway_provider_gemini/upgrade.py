"""How an installation of one of the two programs is upgraded."""

from __future__ import annotations

from llm_gateway import UpgradePlan, error_for
from llm_gateway_provider_gemini.gemini_cli.failures import CONTRACT
from llm_gateway_provider_kit.upgrades import Package

PACKAGE = Package(
    title="Gemini CLI",
    newest=CONTRACT.newest,
    npm=CONTRACT.package,
    version=r"[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9.]+)?",
    tags=("latest", "preview", "nightly"),
)


def plan_agy(program: str | None, target: str | None) -> UpgradePlan | None:
    """Return the command for Antigravity at this path. Raises InvalidRequest for a version: only the newest is available."""
    if target not in (None, "latest"):
        raise error_for("invalid_request", "`agy update` installs only the newest version: leave the version out")
    return UpgradePlan(argv=(program, "update"), method="native") if program else None
