"""Whether Grok has a login, according to its files and the environment of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from llm_gateway.files import read_regular

_MOST_BYTES = 16 << 20

KEYS = ("XAI_API_KEY", "GROK_CODE_XAI_API_KEY")


def logged_in(environ: Mapping[str, str]) -> bool | None:
    """Return whether there is a key or a stored login; the service may still refuse it. None: config.toml may name another."""
    if any(environ.get(name) for name in KEYS):
        return True
    folder = Path(environ.get("GROK_HOME") or Path(environ.get("HOME") or "/", ".grok"))
    try:
        stored = json.loads(_read(Path(environ.get("GROK_AUTH_PATH") or folder / "auth.json")))
    except FileNotFoundError:
        stored = {}
    except (OSError, ValueError, RecursionError):
        return None
    if stored:
        return True
    try:
        config = _read(folder / "config.toml").decode(errors="replace")
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return None if any(name in config for name in ("api_key", "env_key", "auth")) else False


def _read(path: Path) -> bytes:
    return read_regular(path, most_bytes=_MOST_BYTES, follow=True)
