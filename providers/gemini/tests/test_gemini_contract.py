"""Both programs pass the contract of a provider; Gemini CLI with recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

from llm_gateway import Access, Posture
from llm_gateway_provider_gemini import plugin
from llm_gateway_testing import ProviderContract, Sample

SAMPLES = Path(__file__).parent / "samples" / "0.61.0"
ENDED_BADLY = {
    "auth401-stream-json": "auth_required",
    "bad-model-stream-json": "bad_model",
    "max-turns-stream-json": "provider_failed",
    "rate429-stream-json": "quota_exhausted",
    "sigterm-norelaunch": "interrupted",
    "session-id-dup": "session_not_resumable",
}
ENDED_WELL = ("stream-json", "stream-json-thinking", "tool-write-yolo", "escalate-default-policy-deny")
KEYS = frozenset({"GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"})
AGY_ID = "0a1b2c3d-0000-4000-8000-00000000abcd"
#: Written after the documentation, not recorded from the real program.
AGY_ANSWER = [
    {"event": "init", "init": {"conversation_id": AGY_ID, "model": "gemini-3.8-flash-high"}},
    {"event": "result", "result": {"conversation_id": AGY_ID, "status": "SUCCESS", "response": "Hello!"}},
]


def recorded(case: str, failure: str | None = None) -> Sample:
    out, err = SAMPLES / f"{case}.stdout", SAMPLES / f"{case}.stderr"
    return Sample(
        name=case,
        stdout=out.read_bytes() if out.exists() else b"",
        stderr=err.read_text() if err.exists() else "",
        exit_code=json.loads((SAMPLES / "exits.json").read_text())[case],
        failure=failure,
    )


class TestGeminiCli(ProviderContract):
    plugin = plugin
    name = "gemini"
    file_tools = {"read_file": Access.LOOK, "glob": Access.LOOK, "write_file": Access.EDIT, "replace": Access.EDIT}
    variant = "gemini"
    samples = (*map(recorded, ENDED_WELL), *(recorded(case, code) for case, code in ENDED_BADLY.items()))
    credentials = KEYS
    values = {"allowedTools": ("read_file",), "disallowedTools": ("glob",)}
    spellings = {
        Posture.PLAN: {"approvalMode": "plan"},
        Posture.ACCEPT_EDITS: {"approvalMode": "auto_edit"},
        Posture.BYPASS: {"approvalMode": "yolo"},
    }


class TestAntigravity(ProviderContract):
    plugin = plugin
    name = "gemini"
    in_argv_because = {"outputSchema": "agy documents the JSON itself, and no name of a file"}
    variant = "agy"
    samples = (
        Sample(
            name="imitated answer",
            stdout="".join(json.dumps(event) + "\n" for event in AGY_ANSWER).encode(),
            text="Hello!",
            native_id=AGY_ID,
        ),
        Sample(
            name="imitated login", stdout=b"", stderr="authentication timed out", exit_code=1, failure="auth_required"
        ),
    )
    values = {"effort": "high"}
    spellings = {Posture.BYPASS: {"approvalMode": "yolo"}}
