"""Whether Grok has a login, as far as its own files and the run's environment tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

KEYS = ("XAI_API_KEY", "GROK_CODE_XAI_API_KEY")


def logged_in(environ: Mapping[str, str]) -> bool | None:
    """A key or a stored login is one, whether or not the service still takes it; a config.toml may name others: None."""
    if any(environ.get(name) for name in KEYS):
        return True
    folder = Path(environ.get("GROK_HOME") or Path(environ.get("HOME") or "/", ".grok"))
    try:
        stored = json.loads(Path(environ.get("GROK_AUTH_PATH") or folder / "auth.json").read_bytes())
    except FileNotFoundError:
        stored = {}
    except (OSError, ValueError, RecursionError):
        return None
    if stored:
        return True
    try:
        words = (folder / "config.toml").read_text(errors="replace")
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return None if any(word in words for word in ("api_key", "env_key", "auth")) else False
