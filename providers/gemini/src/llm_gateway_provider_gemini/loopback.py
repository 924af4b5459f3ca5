"""Gemini CLI asks a model service on this machine. Antigravity has no setting that names another service."""

from __future__ import annotations

from llm_gateway import Loopback
from llm_gateway_provider_gemini.options import AGY


def loopback(service: str, variant: str) -> Loopback | None:
    """Return its surroundings; None for Antigravity. Pure."""
    if variant == AGY:
        return None
    return Loopback(
        env={"GOOGLE_GEMINI_BASE_URL": service},
        key="GEMINI_API_KEY",
        settings={"flavor": "gemini"},
        write=lambda path, text: ("write_file", {"file_path": path, "content": text}),
        shell=lambda command: ("run_shell_command", {"command": command}),
    )
