"""List the models that Codex's catalogue and files name. No list is built in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_gateway import ModelInfo, owned, probe_environment
from llm_gateway.files import read_regular
from llm_gateway_provider_codex.resume import home
from llm_gateway_provider_kit.lines import as_dict, as_dicts

_MOST_BYTES = 16 << 20

CATALOGUE = ("debug", "models")
_TIMEOUT_S = 15


def list_models(environ: Mapping[str, str], catalogue: bytes) -> list[ModelInfo]:
    """Collect model names with their source. If several sources name a model, the first one is kept."""
    found: dict[str, ModelInfo] = {}
    for model in [*_from_catalogue(catalogue), *_from_config(Path(home(environ), "config.toml"))]:
        found.setdefault(model.id, model)
    return list(found.values())


def read_catalogue(program: str | None) -> bytes:
    """Return the output of `codex debug models`, from the service or from the program; empty if it cannot be run."""
    if program is None:
        return b""
    env = probe_environment(program, os.environ, ["CODEX_HOME", "CODEX_API_KEY"])
    for arguments in (CATALOGUE, (*CATALOGUE, "--bundled")):
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty, owned(env) as variables:
                run = subprocess.run(
                    [program, *arguments],
                    env=variables,
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
    for position, model in enumerate(shown):
        title = model.get("display_name")
        yield ModelInfo(
            id=_slug(model),
            source="codex debug models",
            default=position == 0,  # without a model, Codex uses the one with the first priority
            title=title if isinstance(title, str) else "",
        )


def _from_config(path: Path) -> Iterator[ModelInfo]:
    try:
        text = read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode(errors="replace")
    except OSError:
        return
    top = re.split(r"^\s*\[", text, maxsplit=1, flags=re.MULTILINE)[0]
    match = re.search(r"""^\s*model\s*=\s*["']([^"'\n]+)["']""", top, re.MULTILINE)
    if match:
        title = "default of interactive use"
        yield ModelInfo(id=match[1], source=str(path), title=title)


def _models(catalogue: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(catalogue)
    except ValueError:
        return []
    return as_dicts(as_dict(value).get("models"))


def _slug(model: Mapping[str, Any]) -> str:
    slug = model.get("slug")
    return slug if isinstance(slug, str) else ""
