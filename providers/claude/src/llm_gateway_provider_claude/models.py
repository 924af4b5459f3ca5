"""List the models that Claude Code's environment, files and help name. No list is built in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_gateway import ModelInfo, owned, probe_environment, user_home
from llm_gateway.files import read_regular
from llm_gateway_provider_kit.lines import as_dict

_MOST_BYTES = 16 << 20

_ALIASES = ("OPUS", "SONNET", "HAIKU")


def list_models(environ: Mapping[str, str], help_text: str) -> list[ModelInfo]:
    """Collect model names with their source. If several sources name a model, the first one is kept."""
    found: dict[str, ModelInfo] = {}
    for model in [*_from_environment(environ), *_from_files(environ), *_from_help(help_text)]:
        found.setdefault(model.id, model)
    return list(found.values())


def read_help(program: str | None) -> str:
    """Return the output of `claude --help`; "" if it cannot be run."""
    if program is None:
        return ""
    env = probe_environment(program, os.environ, ["CLAUDE_CONFIG_DIR"])
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty, owned(env) as env:
            run = subprocess.run(
                [program, "--help"], env=env, capture_output=True, timeout=15, check=False, input=b"", cwd=empty
            )
            return run.stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return ""


def _from_environment(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    default = environ.get("ANTHROPIC_MODEL")
    if default:
        yield ModelInfo(id=default, source="ANTHROPIC_MODEL", default=True)
    for alias in _ALIASES:
        variable = f"ANTHROPIC_DEFAULT_{alias}_MODEL"
        model = environ.get(variable)
        if model:
            yield ModelInfo(id=model, source=variable, title=f"model of the alias {alias.lower()}")


def _from_files(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    folder = environ.get("CLAUDE_CONFIG_DIR")
    home = Path(user_home(environ, "/"))
    settings = (Path(folder) if folder else home / ".claude") / "settings.json"
    default = _json(settings).get("model")
    if isinstance(default, str) and default:
        yield ModelInfo(
            id=default, source=str(settings), title="default of interactive use; runs do not read this file"
        )
    state = (Path(folder) if folder else home) / ".claude.json"
    for project in as_dict(_json(state).get("projects")).values():
        for model in as_dict(as_dict(project).get("lastModelUsage")):
            yield ModelInfo(id=model, source=str(state), title="was used on this machine")


def _from_help(text: str) -> Iterator[ModelInfo]:
    match = re.search(r"--model <model>(.*?)\n\s*-", text, re.DOTALL)
    for name in re.findall(r"'([A-Za-z0-9][\w.\[\]-]*)'", match[1] if match else ""):
        yield ModelInfo(id=name, source="claude --help")


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_regular(path, most_bytes=_MOST_BYTES, follow=True))
    except (OSError, ValueError):
        return {}
    return as_dict(value)
