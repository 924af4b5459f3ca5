"""Which models Codex's own catalogue and files name. Nothing is remembered here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_gateway import ModelInfo, probe_environment
from llm_gateway.files import read_regular
from llm_gateway_provider_codex.resume import home

_MOST_BYTES = 16 << 20

CATALOGUE = ("debug", "models")
_TIMEOUT_S = 15


def list_models(environ: Mapping[str, str], catalogue: bytes) -> list[ModelInfo]:
    """Collect names, each with the place where it was read; the first place that names a model keeps it."""
    found: dict[str, ModelInfo] = {}
    for model in [*_from_catalogue(catalogue), *_from_config(Path(home(environ), "config.toml"))]:
        found.setdefault(model.id, model)
    return list(found.values())


def read_catalogue(program: str | None) -> bytes:
    """What `codex debug models` prints, from the service or else from the program; empty when it cannot be asked."""
    if program is None:
        return b""
    env = probe_environment(program, os.environ, ["CODEX_HOME", "CODEX_API_KEY"])
    for arguments in (CATALOGUE, (*CATALOGUE, "--bundled")):
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
                run = subprocess.run(
                    [program, *arguments],
                    env=env,
                    capture_output=True,
                    timeout=_TIMEOUT_S,
                    check=True,
                    input=b"",
                    cwd=empty,
                )
        except (OSError, subprocess.SubprocessError):
            continue
        return run.stdout
    return b""


def _from_catalogue(catalogue: bytes) -> Iterator[ModelInfo]:
    shown = [model for model in _models(catalogue) if model.get("visibility") == "list" and _slug(model)]
    shown.sort(key=lambda model: model["priority"] if isinstance(model.get("priority"), int) else 10**6)
    for place, model in enumerate(shown):
        title = model.get("display_name")
        yield ModelInfo(
            id=_slug(model),
            source="codex debug models",
            default=place == 0,  # the one with the first priority is used when none is named
            title=title if isinstance(title, str) else "",
        )


def _from_config(path: Path) -> Iterator[ModelInfo]:
    try:
        text = read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode(errors="replace")
    except OSError:
        return
    top = re.split(r"^\s*\[", text, maxsplit=1, flags=re.MULTILINE)[0]
    if match := re.search(r"""^\s*model\s*=\s*["']([^"'\n]+)["']""", top, re.MULTILINE):
        title = "default at the keyboard; runs read this file only with user_config"
        yield ModelInfo(id=match[1], source=str(path), title=title)


def _models(catalogue: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(catalogue)
    except ValueError:
        return []
    models = value.get("models") if isinstance(value, dict) else None
    return [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []


def _slug(model: Mapping[str, Any]) -> str:
    slug = model.get("slug")
    return slug if isinstance(slug, str) else ""
