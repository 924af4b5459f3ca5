"""Values out of JSON that may hold anything."""

from __future__ import annotations

import json
from typing import Any

_SHOWN_CHARS = 200
_HINTS = ("command", "file_path", "dir_path", "pattern", "path", "url", "query", "description")


def line_object(line: bytes) -> dict[str, Any]:
    """The object that a line holds; empty when it holds none."""
    if not line.lstrip().startswith(b"{"):
        return {}
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """The value, if it is text."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    """The value, if it is an object."""
    return value if isinstance(value, dict) else {}


def count(value: Any) -> int:
    """The value, if it is a number of tokens."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def described(tool: str, parameters: Any) -> str:
    """A tool's use, on one line."""
    given = mapping(parameters)
    hint = next((str(given[name]) for name in _HINTS if given.get(name)), "")
    return " ".join(f"{tool} {hint}".split())[:_SHOWN_CHARS]
