"""Tool uses on one line."""

from __future__ import annotations

from typing import Any

from llm_gateway_provider_kit.lines import as_dict

_SHOWN_CHARS = 200
_HINTS = ("command", "file_path", "dir_path", "pattern", "path", "url", "query", "description")


def described(tool: str, parameters: Any) -> str:
    """A tool's use, on one line."""
    given = as_dict(parameters)
    hint = next((str(given[name]) for name in _HINTS if given.get(name)), "")
    return " ".join(f"{tool} {hint}".split())[:_SHOWN_CHARS]
