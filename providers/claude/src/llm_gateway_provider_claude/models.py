"""Which models Claude Code's own environment, files and help name. Nothing is remembered here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_gateway import ModelInfo, probe_environment, user_home
from llm_gateway.files import read_regular

_MOST_BYTES = 16 << 20

_ALIASES = ("OPUS", "SONNET", "HAIKU")


def list_models(environ: Mapping[str, str], help_text: str) -> list[ModelInfo]:
    """Collect names, each with the place where it was read; the first place that names a model keeps it."""
    found: dict[str, ModelInfo] = {}
    for model in [*_from_environment(environ), *_from_files(environ), *_from_help(help_text)]:
        found.setdefault(model.id, model)
    return list(found.values())


def read_help(program: str | None) -> str:
    """What `claude --help` prints; empty when it cannot be asked."""
    if program is None:
        return ""
    env = probe_environment(program, os.environ, ["CLAUDE_CONFIG_DIR"])
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
            run = subprocess.run(
                [program, "--help"], env=env, capture_output=True, timeout=15, check=False, input=b"", cwd=empty
            )
            return run.stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return ""


def _from_environment(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    if model := environ.get("ANTHROPIC_MODEL"):
        yield ModelInfo(id=model, source="ANTHROPIC_MODEL", default=True)
    for alias in _ALIASES:
        if model := environ.get(name := f"ANTHROPIC_DEFAULT_{alias}_MODEL"):
            yield ModelInfo(id=model, source=name, title=f"what the alias {alias.lower()} means")


def _from_files(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    folder = environ.get("CLAUDE_CONFIG_DIR")
    home = Path(user_home(environ, "/"))
    settings = (Path(folder) if folder else home / ".claude") / "settings.json"
    if isinstance(model := _json(settings).get("model"), str) and model:
        yield ModelInfo(id=model, source=str(settings), title="default at the keyboard; runs do not read this file")
    state = (Path(folder) if folder else home) / ".claude.json"
    projects = _json(state).get("projects")
    for project in projects.values() if isinstance(projects, dict) else ():
        used = project.get("lastModelUsage") if isinstance(project, dict) else None
        for model in used if isinstance(used, dict) else ():
            yield ModelInfo(id=model, source=str(state), title="has answered here")


def _from_help(text: str) -> Iterator[ModelInfo]:
    match = re.search(r"--model <model>(.*?)\n\s*-", text, re.DOTALL)
    for name in re.findall(r"'([A-Za-z0-9][\w.\[\]-]*)'", match[1] if match else ""):
        yield ModelInfo(id=name, source="claude --help")


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_regular(path, most_bytes=_MOST_BYTES, follow=True))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
