"""List the models that Vibe's environment and files name. No list is built in."""

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
from llm_gateway_provider_kit.lines import as_dict, as_dicts, as_text

_MOST_BYTES = 16 << 20
#: The number of newest conversations that are read.
_CONVERSATIONS_READ = 50


def list_models(environ: Mapping[str, str]) -> list[ModelInfo]:
    """Collect aliases with their source. If several sources name an alias, the first one is kept."""
    folder = Path(environ.get("VIBE_HOME") or Path(user_home(environ, "/")) / ".vibe")
    named = [*_from_environment(environ), *_from_config(folder / "config.toml"), *_from_conversations(folder)]
    found: dict[str, ModelInfo] = {}
    for model in named:
        default = model.default and not any(earlier.default for earlier in found.values())
        found.setdefault(model.id, replace(model, default=default))
    return list(found.values())


def _from_environment(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    active = environ.get("VIBE_ACTIVE_MODEL")
    if active:
        yield ModelInfo(id=active, source="VIBE_ACTIVE_MODEL", default=True)
    try:
        models = json.loads(environ.get("VIBE_MODELS") or "{}")
    except ValueError:
        return
    for alias, model in as_dict(models).items():
        if isinstance(model, dict):
            yield ModelInfo(id=alias, source="VIBE_MODELS", title=_title(model))


def _from_config(path: Path) -> Iterator[ModelInfo]:
    try:
        config = tomli.loads(read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode())
    except (OSError, ValueError):
        return
    active = config.get("active_model")
    for model in as_dicts(config.get("models")):
        alias = model.get("alias") or model.get("name")
        if isinstance(alias, str):
            yield ModelInfo(id=alias, source=str(path), default=alias == active, title=_title(model))
    if isinstance(active, str) and active:
        yield ModelInfo(id=active, source=str(path), default=True)


def _from_conversations(folder: Path) -> Iterator[ModelInfo]:
    metas = (folder / "logs" / "session" / "unified").glob("*/meta.json")
    for path in islice(sorted(metas, key=_age), _CONVERSATIONS_READ):
        try:
            config = json.loads(read_regular(path, most_bytes=_MOST_BYTES, follow=True)).get("config")
        except (OSError, ValueError, AttributeError):
            continue
        alias = as_text(as_dict(config).get("active_model"))
        if alias:
            name = as_text(config.get("model_name"))
            title = f"was used on this machine, as {name}" if name else "was used on this machine"
            yield ModelInfo(id=alias, source=str(path.parent.parent), title=title)


def _age(path: Path) -> float:
    try:
        return -os.stat(path).st_mtime
    except OSError:
        return 0.0


def _title(model: Mapping[str, Any]) -> str:
    name = model.get("display_name") or model.get("name")
    return name if isinstance(name, str) else ""
