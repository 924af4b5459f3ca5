"""What is shown of values that may be secret."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

MASK = "***"


def masked_env(env: Mapping[str, str]) -> dict[str, str]:
    """Names without values."""
    return dict.fromkeys(env, MASK)


def masked_url(url: str) -> str:
    """An address without user, password and query: all of them may say too much."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    place = parts.netloc
    if "@" in place:
        place = f"{MASK}@{place.rpartition('@')[2]}"
    if place == parts.netloc and not parts.query:
        return url
    return urlunsplit((parts.scheme, place, parts.path, MASK if parts.query else "", parts.fragment))


def plain(value: Any) -> Any:
    """A setting as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return str(value) if isinstance(value, Path) else f"{value}"  # pydantic's secret types mask themselves
