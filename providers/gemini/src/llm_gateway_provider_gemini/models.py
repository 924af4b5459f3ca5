"""List the models that the environment and the programs' files name. No list is built in."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_gateway import ModelInfo, owned, probe_environment, user_home
from llm_gateway.files import open_regular, read_regular

_MOST_BYTES = 16 << 20

_SESSIONS_READ = 50
_AGY_SECONDS = 15


def list_models(environ: Mapping[str, str], default_model: str, catalogue: str = "") -> list[ModelInfo]:
    """Collect model names with their source. If several sources name a model, the first one is kept."""
    found: dict[str, ModelInfo] = {}
    for model in [*_of_gemini_cli(environ, default_model), *_of_agy(catalogue)]:
        found.setdefault(model.id, model)
    return list(found.values())


def read_catalogue(program: str, environ: Mapping[str, str]) -> str:
    """Return the output of `agy models`; "" if it cannot be run."""
    env = probe_environment(program, environ, ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"])
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty, owned(env) as env:
            run = subprocess.run(
                [program, "models"],
                env=env,
                capture_output=True,
                timeout=_AGY_SECONDS,
                check=False,
                input=b"",
                cwd=empty,
            )
    except (OSError, subprocess.SubprocessError):
        return ""
    return "" if run.returncode else run.stdout.decode(errors="replace")


def _of_agy(catalogue: str) -> Iterator[ModelInfo]:
    for line in catalogue.splitlines():
        words = line.replace("*", " ").split()
        if words and "-" in words[0] and words[0].replace("-", "").replace(".", "").isalnum():
            yield ModelInfo(id=words[0], source="agy models", title=" ".join(words[1:]))


def _of_gemini_cli(environ: Mapping[str, str], default_model: str) -> Iterator[ModelInfo]:
    home = Path(environ.get("GEMINI_CLI_HOME") or user_home(environ, "/")) / ".gemini"
    settings = home / "settings.json"
    named = [
        (environ.get("GEMINI_MODEL"), "GEMINI_MODEL"),
        (_model_of(settings), str(settings)),
        (default_model, "[providers.gemini] default_model"),
    ]
    default = True
    for model, source in named:
        if isinstance(model, str) and model:
            yield ModelInfo(id=model, source=source, default=default)
            default = False
    sessions = sorted(home.glob("tmp/*/chats/session-*.jsonl"), key=lambda path: path.name, reverse=True)
    for path in sessions[:_SESSIONS_READ]:
        for model in _models_of_conversation(path):
            yield ModelInfo(id=model, source=str(path), title="was used on this machine")


def _model_of(settings: Path) -> Any:
    try:
        model = json.loads(read_regular(settings, most_bytes=_MOST_BYTES, follow=True)).get("model")
        return model.get("name") if isinstance(model, dict) else None
    except (OSError, ValueError, AttributeError):
        return None


def _models_of_conversation(path: Path) -> list[str]:
    """Return the models that answered in a conversation, in the order of their first answers."""
    found: dict[str, None] = {}
    try:
        with open(open_regular(path, follow=True), "rb") as lines:
            for line in lines:
                if b'"model"' not in line:
                    continue
                record = json.loads(line)
                model = record.get("model") if isinstance(record, dict) else None
                if isinstance(model, str) and model:
                    found[model] = None
    except (OSError, ValueError, RecursionError):
        pass
    return list(found)
