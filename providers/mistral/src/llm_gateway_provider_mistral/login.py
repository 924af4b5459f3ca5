"""Whether Vibe has a key, according to its files and the environment of the run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from llm_gateway.files import read_regular

_MOST_BYTES = 16 << 20

_KEY = "MISTRAL_API_KEY"


def logged_in(environ: Mapping[str, str]) -> bool | None:
    """Return True if a key is in the environment or Vibe's .env. None: unknown, because the keyring is not opened."""
    folder = Path(environ.get("VIBE_HOME") or Path(environ.get("HOME") or "/", ".vibe"))
    dotenv = _read(folder / ".env")
    for name in _names(environ, folder):
        if environ.get(name) or re.search(rf"^\s*(?:export\s+)?{re.escape(name)}\s*=\s*['\"]?[^\s'\"#]", dotenv, re.M):
            return True
    return None


def _names(environ: Mapping[str, str], folder: Path) -> set[str]:
    """Return the variables that hold the keys of the configured services."""
    try:
        providers: Any = json.loads(environ.get("VIBE_PROVIDERS") or "null")
        providers = providers or tomli.loads(_read(folder / "config.toml")).get("providers")
    except (ValueError, RecursionError):
        return set()
    if isinstance(providers, dict):
        providers = list(providers.values())
    if not isinstance(providers, list) or not providers:
        return {_KEY}
    names = {provider.get("api_key_env_var") for provider in providers if isinstance(provider, dict)}
    return {name for name in names if isinstance(name, str) and name}


def _read(path: Path) -> str:
    try:
        return read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode(errors="replace")
    except OSError:
        return ""
