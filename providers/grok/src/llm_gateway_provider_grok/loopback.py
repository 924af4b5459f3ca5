"""Grok asks a model service on this machine."""

from __future__ import annotations

from llm_gateway import Loopback


def loopback(service: str) -> Loopback:
    """Return its surroundings. Pure."""
    return Loopback(
        env={"GROK_XAI_API_BASE_URL": f"{service}/v1"},
        key="XAI_API_KEY",
        write=lambda path, text: ("write", {"file_path": path, "content": text}),
        shell=lambda command: ("run_terminal_command", {"command": command, "description": "x"}),
    )
