"""Claude Code's plugin passes the contract of a provider with recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

from llm_gateway import Access, Posture
from llm_gateway_provider_claude import plugin
from llm_gateway_testing import ProviderContract, Sample

SAMPLES = Path(__file__).parent / "samples" / "2.1.330"
FAILED_RUNS = {
    "missing_auth_stream": "auth_required",
    "bad_model_stream": "bad_model",
    "max_turns": "provider_failed",
    "fail_rate_stream": "quota_exhausted",
    "sig_sigterm_streaming": "interrupted",
    "session_id_reused": "session_not_resumable",
}
SUCCESSFUL_RUNS = ("base_call", "stream_json_partial", "subagent_json", "usage_multi_turn")


def recorded(case: str, failure: str | None = None) -> Sample:
    out, err = SAMPLES / f"{case}.stdout", SAMPLES / f"{case}.stderr"
    return Sample(
        name=case,
        stdout=out.read_bytes() if out.exists() else b"",
        stderr=err.read_text() if err.exists() else "",
        exit_code=json.loads((SAMPLES / "exits.json").read_text())[case],
        failure=failure,
    )


class TestClaude(ProviderContract):
    plugin = plugin
    name = "claude"
    file_tools = {"Read": Access.LOOK, "Grep": Access.LOOK, "Edit": Access.EDIT, "Write": Access.EDIT}
    in_argv_because = {"outputSchema": "Claude Code takes the JSON itself, and no name of a file"}
    samples = (*map(recorded, SUCCESSFUL_RUNS), *(recorded(case, code) for case, code in FAILED_RUNS.items()))
    credentials = frozenset({"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"})
    spellings = {
        Posture.PLAN: {"permissionMode": "plan"},
        Posture.ACCEPT_EDITS: {"permissionMode": "acceptEdits"},
        Posture.BYPASS: {"permissionMode": "bypassPermissions"},
    }
