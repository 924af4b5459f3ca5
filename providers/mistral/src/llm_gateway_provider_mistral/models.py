"""Which models Vibe's own environment and files name. Nothing is remembered here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import tomli

from llm_gateway import ModelInfo, user_home
from llm_gateway.files import read_regular

#: Of the newest conversations.
_MOST_BYTES = 16 << 20

_LOOKED_AT = 50


def list_models(environ: Mapping[str, str]) -> list[ModelInfo]:
    """Collect aliases, each with the place where it was read; the first place that names one keeps it."""
    folder = Path(environ.get("VIBE_HOME") or Path(user_home(environ, "/")) / ".vibe")
    named = [*_from_environment(environ), *_from_config(folder / "config.toml"), *_from_conversations(folder)]
    found: dict[str, ModelInfo] = {}
    for model in named:
        default = model.default and not any(earlier.default for earlier in found.values())
        found.setdefault(model.id, replace(model, default=default))
    return list(found.values())


def _from_environment(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    if alias := environ.get("VIBE_ACTIVE_MODEL"):
        yield ModelInfo(id=alias, source="VIBE_ACTIVE_MODEL", default=True)
    try:
        models = json.loads(environ.get("VIBE_MODELS") or "{}")
    except ValueError:
        return
    for alias, model in models.items() if isinstance(models, dict) else ():
        if isinstance(model, dict):
            yield ModelInfo(id=alias, source="VIBE_MODELS", title=_title(model))


def _from_config(path: Path) -> Iterator[ModelInfo]:
    try:
        config = tomli.loads(read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode())
    except (OSError, ValueError):
        return
    active = config.get("active_model")
    models = config.get("models")
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict) and isinstance(alias := model.get("alias") or model.get("name"), str):
            yield ModelInfo(id=alias, source=str(path), default=alias == active, title=_title(model))
    if isinstance(active, str) and active:
        yield ModelInfo(id=active, source=str(path), default=True)


def _from_conversations(folder: Path) -> Iterator[ModelInfo]:
    metas = (folder / "logs" / "session" / "unified").glob("*/meta.json")
    for path in islice(sorted(metas, key=_age), _LOOKED_AT):
        try:
            config = json.loads(read_regular(path, most_bytes=_MOST_BYTES, follow=True)).get("config")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(config, dict) and isinstance(alias := config.get("active_model"), str) and alias:
            name = config.get("model_name")
            title = "has answered here" + (f", as {name}" if isinstance(name, str) else "")
            yield ModelInfo(id=alias, source=str(path.parent.parent), title=title)


def _age(path: Path) -> float:
    try:
        return -os.stat(path).st_mtime
    except OSError:
        return 0.0


def _title(model: Mapping[str, Any]) -> str:
    name = model.get("display_name") or model.get("name")
    return name if isinstance(name, str) else ""
