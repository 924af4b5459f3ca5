"""Codex's plugin passes the contract of a provider with recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

from llm_gateway import Posture
from llm_gateway_provider_codex import plugin
from llm_gateway_testing import ProviderContract, Sample

SAMPLES = Path(__file__).parent / "samples" / "0.169.0"
ENDED_BADLY = {
    "auth-none-builtin": "auth_required",
    "concurrent-2": "session_busy",
    "fail-429": "quota_exhausted",
    "fail-ctx": "input_too_large",
    "fail-model": "bad_model",
    "no-userns-workspace-write": "provider_failed",
    "resume-unknown-uuid": "session_not_found",
    "signal-term-slow": "interrupted",
}
ENDED_WELL = ("json", "think", "two-messages", "tool-default", "patch-ww", "mcp-ro_tool-default")


def recorded(case: str, failure: str | None = None) -> Sample:
    out, err = SAMPLES / f"{case}.stdout", SAMPLES / f"{case}.stderr"
    return Sample(
        name=case,
        stdout=out.read_bytes() if out.exists() else b"",
        stderr=err.read_text() if err.exists() else "",
        exit_code=json.loads((SAMPLES / "exits.json").read_text())[case],
        failure=failure,
    )


class TestCodex(ProviderContract):
    plugin = plugin
    name = "codex"
    samples = (*map(recorded, ENDED_WELL), *(recorded(case, code) for case, code in ENDED_BADLY.items()))
    credentials = frozenset({"CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "OPENAI_API_KEY"})
    spellings = {
        Posture.READ_ONLY: {"sandboxMode": "read-only"},
        Posture.WORKSPACE_WRITE: {"fullAuto": True},
        Posture.BYPASS: {"sandboxMode": "danger-full-access"},
    }
