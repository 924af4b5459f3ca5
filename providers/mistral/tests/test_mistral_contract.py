"""Mistral Vibe's plugin passes the contract of a provider with recorded runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_gateway import Access, Posture, Session
from llm_gateway_provider_mistral import plugin
from llm_gateway_provider_mistral.argv import EXPORT, JOURNAL, META
from llm_gateway_testing import ProviderContract, Sample

SAMPLES = Path(__file__).parent / "samples" / "3.0.3"
ENDED_BADLY = {
    "concurrent-b": "session_busy",
    "err-401": "auth_required",
    "err-429": "quota_exhausted",
    "err-503": "overloaded",
    "session-bad-id": "session_not_found",
    "sigkill-tool": "interrupted",
    "sigterm-model": "interrupted",
}
ENDED_WELL = {"streaming": "hello there", "session-resume": None, "usage-two-calls": None, "mcp-call": None}


def content(case: str, kind: str) -> bytes:
    path = SAMPLES / f"{case}.{kind}"
    return path.read_bytes() if path.exists() else b""


def recorded(case: str, text: str | None = None, failure: str | None = None) -> Sample:
    left = {EXPORT: "export.json", META: "meta.json", JOURNAL: "journal.jsonl"}
    return Sample(
        name=case,
        stdout=content(case, "stdout"),
        stderr=content(case, "stderr").decode(),
        exit_code=json.loads((SAMPLES / "exits.json").read_text())[case],
        text=text,
        failure=failure,
        artifacts={path: content(case, kind) for path, kind in left.items()},
    )


class TestMistral(ProviderContract):
    plugin = plugin
    name = "mistral"
    file_tools = {"read_file": Access.LOOK, "grep": Access.LOOK, "edit": Access.EDIT, "write_file": Access.EDIT}
    samples = (
        *(recorded(case, text=text) for case, text in ENDED_WELL.items()),
        *(recorded(case, failure=code) for case, code in ENDED_BADLY.items()),
    )
    credentials = frozenset({"MISTRAL_API_KEY"})
    spellings = {
        Posture.PROMPTED: {"permissionMode": "ask"},
        Posture.ACCEPT_EDITS: {"permissionMode": "accept-edits"},
        Posture.BYPASS: {"permissionMode": "auto-approve"},
    }
    values = {"allowedTools": ("read_file",), "disallowedTools": ("bash",)}

    def session(self, native_id: str | None, **changes: Any) -> Session:
        """Return a session that the gateway began: others are refused."""
        return super().session(native_id, **{"settings": {"posture": "prompted"}, **changes})
