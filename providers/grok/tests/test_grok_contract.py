"""Grok's plugin passes the contract of a provider with recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

from llm_gateway import Access, Posture
from llm_gateway_provider_grok import plugin
from llm_gateway_testing import ProviderContract, Sample

SAMPLES = Path(__file__).parent / "samples" / "1.0.41"
ENDED_BADLY = {
    "noauth-streaming": "auth_required",
    "bad-model-streaming": "bad_model",
    "max-turns-2-streaming": "provider_failed",
    "http429-streaming": "quota_exhausted",
    "perm-default-write": "tool_denied",
    "sigterm-streaming": "interrupted",
    "session-id-exists": "session_not_resumable",
}
ENDED_WELL = ("streaming-json", "resume-id-streaming", "perm-always-approve-shellw", "json-schema-streaming")


def recorded(case: str, failure: str | None = None) -> Sample:
    out, err = SAMPLES / f"{case}.stdout", SAMPLES / f"{case}.stderr"
    return Sample(
        name=case,
        stdout=out.read_bytes() if out.exists() else b"",
        stderr=err.read_text() if err.exists() else "",
        exit_code=json.loads((SAMPLES / "exits.json").read_text())[case],
        failure=failure,
    )


class TestGrok(ProviderContract):
    plugin = plugin
    name = "grok"
    file_tools = {"Read": Access.LOOK, "Grep": Access.LOOK, "Edit": Access.EDIT, "Write": Access.EDIT}
    in_argv_because = {"outputSchema": "Grok takes the JSON itself, and no name of a file"}
    samples = (*map(recorded, ENDED_WELL), *(recorded(case, code) for case, code in ENDED_BADLY.items()))
    credentials = frozenset({"XAI_API_KEY"})
    spellings = {
        Posture.PLAN: {"permissionMode": "plan"},
        Posture.ACCEPT_EDITS: {"permissionMode": "acceptEdits"},
        Posture.BYPASS: {"alwaysApprove": True},
    }
