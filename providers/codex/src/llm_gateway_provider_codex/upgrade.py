"""How this installation of Codex is upgraded. Not by `codex update`: it supports only global installations of npm."""

from __future__ import annotations

from llm_gateway_provider_codex.failures import CONTRACT
from llm_gateway_provider_kit.upgrades import Package

PACKAGE = Package(
    title="Codex",
    newest=CONTRACT.newest,
    npm=CONTRACT.package,
    notes={"npm": "Its native program is an optional package: --omit=optional breaks it."},
)
