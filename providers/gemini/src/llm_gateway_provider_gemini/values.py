"""Describe the use of a tool on one line."""

from __future__ import annotations

from typing import Any

from llm_gateway_provider_kit.lines import as_dict

_SHOWN_CHARS = 200
_HINTS = ("command", "file_path", "dir_path", "pattern", "path", "url", "query", "description")


def described(tool: str, parameters: Any) -> str:
    """Return a tool's name and its most important argument on one line."""
    arguments = as_dict(parameters)
    hint = next((str(arguments[name]) for name in _HINTS if arguments.get(name)), "")
    return " ".join(f"{tool} {hint}".split())[:_SHOWN_CHARS]
