"""The words by which each real program's model calls its tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def call(tool: str, **arguments: Any) -> str:
    """A line of a prompt that has the model call a tool."""
    return f"TOOL:{tool} {json.dumps(arguments)}"


def script(javascript: str) -> str:
    """Codex's models call its tools by a piece of JavaScript."""
    return call("exec", input=javascript)


def write(agent: str, path: Path) -> str:
    """Have a file made by the tool that edits files."""
    if agent == "claude":
        return call("Write", file_path=str(path), content="written")
    if agent == "codex":
        patch = f"*** Begin Patch\n*** Add File: {path}\n+written\n*** End Patch"
        return script(f"text(JSON.stringify(await tools.apply_patch({json.dumps(patch)})))")
    if agent == "mistral":
        return call("write_file", path=str(path), content="written")
    return call({"gemini": "write_file", "grok": "write"}[agent], file_path=str(path), content="written")


def shell(agent: str, command: str) -> str:
    """Have a command run."""
    if agent == "codex":
        return script(f"const r = await tools.exec_command({json.dumps({'cmd': command})}); text(r.output)")
    tool = {"claude": "Bash", "gemini": "run_shell_command", "grok": "run_terminal_command", "mistral": "bash"}[agent]
    described = {"description": "x"} if agent in ("claude", "grok") else {}
    return call(tool, command=command, **described)
