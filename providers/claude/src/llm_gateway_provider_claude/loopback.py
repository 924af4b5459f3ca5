"""Claude Code asks a model service on this machine."""

from __future__ import annotations

from llm_gateway import Loopback


def loopback(service: str) -> Loopback:
    """Return its surroundings. Pure."""
    return Loopback(
        env={"ANTHROPIC_BASE_URL": service},
        key="ANTHROPIC_API_KEY",
        write=lambda path, text: ("Write", {"file_path": path, "content": text}),
        shell=lambda command: ("Bash", {"command": command, "description": "x"}),
        offline={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        differs={"flags:--max-turns": "its help does not show this option"},
    )
