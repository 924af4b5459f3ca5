"""The stored results: `<home>/verified/<provider>[-<variant>].json`, one entry for each build of the program.

A build is known by its identity (real path, size, time) and its version. The newest entry stands first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_gateway.files import read_regular, write_atomic

FOLDER = "verified"
_MOST_BYTES = 1 << 20
_MOST_BUILDS = 10


def path_of(home: Path, provider: str, variant: str) -> Path:
    """Return the file of a program."""
    return home / FOLDER / f"{provider}{'-' if variant else ''}{variant}.json"


def store(home: Path, provider: str, variant: str, entry: Mapping[str, Any]) -> None:
    """Store the results of a build. Checks that were not made keep their earlier results. Raises OSError. Blocking."""
    path = path_of(home, provider, variant)
    entries = read(home, provider, variant)
    others = [one for one in entries if not _same_build(one, entry)]
    earlier = next((one for one in entries if _same_build(one, entry)), {})
    made = {**entry, "checks": {**earlier.get("checks", {}), **entry["checks"]}}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(path, json.dumps([made, *others][:_MOST_BUILDS], indent=1).encode())


def read(home: Path, provider: str, variant: str) -> list[dict[str, Any]]:
    """Return the stored entries, newest first; none if the file is missing or damaged. Blocking."""
    try:
        stored = json.loads(read_regular(path_of(home, provider, variant), most_bytes=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    entries = stored if isinstance(stored, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("checks"), dict)]


def of_build(entries: Sequence[dict[str, Any]], identity: str, version: str | None = None) -> dict[str, Any] | None:
    """Return the entry of a build; None: it was not verified. Pure."""
    for entry in entries:
        if entry.get("identity") == identity and version in (None, entry.get("version")):
            return entry
    return None


def _same_build(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one.get("identity"), one.get("version")) == (other.get("identity"), other.get("version"))
