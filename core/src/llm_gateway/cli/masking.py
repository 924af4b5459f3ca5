"""Mask values that may be secret."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

MASK = "***"


def masked_env(env: Mapping[str, str]) -> dict[str, str]:
    """Return the names with masked values."""
    return dict.fromkeys(env, MASK)


def masked_url(url: str) -> str:
    """Return an address with user, password and query masked: each of them can contain a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    host = parts.netloc
    if "@" in host:
        host = f"{MASK}@{host.rpartition('@')[2]}"
    if host == parts.netloc and not parts.query:
        return url
    return urlunsplit((parts.scheme, host, parts.path, MASK if parts.query else "", parts.fragment))


def plain(value: Any) -> Any:
    """Convert the value of a setting to JSON types."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return str(value) if isinstance(value, Path) else f"{value}"  # pydantic's secret types mask themselves
