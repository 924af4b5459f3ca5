"""Whether Gemini CLI has a login, according to its files and the environment of the run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_gateway.files import read_regular

_MOST_BYTES = 16 << 20

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def logged_in(environ: Mapping[str, str]) -> bool | None:
    """Check the login method of the user's settings or of the environment. None: unknown, such as a keyring or a cloud."""
    home = Path(environ.get("GEMINI_CLI_HOME") or environ.get("HOME") or "/")
    folder = home / ".gemini"
    kept = _read(folder / ".env") or _read(home / ".env") or ""  # Gemini CLI reads only the first existing file
    variables = {
        name: value.strip("'\"") for name, value in re.findall(r"^\s*(?:export\s+)?(\w+)\s*=\s*(\S+)", kept, re.M)
    }
    variables |= {name: value for name, value in environ.items() if value}
    kind = _chosen(folder / "settings.json") or _implied(variables)
    if kind == "gemini-api-key":
        return True if variables.get("GEMINI_API_KEY") else None
    if kind == "oauth-personal":
        # Without this file, the login may be encrypted or in a keyring.
        return True if (folder / "oauth_creds.json").is_file() else None
    if kind == "vertex-ai":
        return True if variables.get("GOOGLE_API_KEY") else None
    return False if kind == "" else None


def _chosen(path: Path) -> str:
    """Return the login method in the user's settings; "" if there is none."""
    text = _read(path)
    if not text:
        return ""
    try:
        settings: Any = json.loads(without_comments(text.removeprefix("\ufeff")))
        kind = ((settings.get("security") or {}).get("auth") or {}).get("selectedType")
    except (ValueError, AttributeError, RecursionError):
        return "unknown"
    return kind if isinstance(kind, str) else ""


def without_comments(text: str) -> str:
    """Remove both kinds of comments, but not inside of strings."""
    return _COMMENT.sub(lambda found: found[1] or " ", text)


def _implied(seen: Mapping[str, str]) -> str:
    """Return the login method that the environment implies; "" if there is none."""
    if seen.get("GOOGLE_GENAI_USE_GCA") == "true":
        return "oauth-personal"
    if seen.get("GOOGLE_GENAI_USE_VERTEXAI") == "true":
        return "vertex-ai"
    if seen.get("GEMINI_API_KEY"):
        return "gemini-api-key"
    return "compute" if seen.get("GEMINI_CLI_USE_COMPUTE_ADC") == "true" else ""


def _read(path: Path) -> str:
    try:
        return read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode(errors="replace")
    except OSError:
        return ""
