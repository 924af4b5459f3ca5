"""What `llm-gateway verify` found on this machine: `<home>/verified/<provider>[-<variant>].json`, one entry for each build.

A build is known by its identity (real path, size, time) and its version, so that an upgraded program counts as not verified. The
newest entry stands first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_gateway.files import read_regular, write_atomic

_FOLDER = "verified"
_MOST_BYTES = 1 << 20
_MOST_BUILDS = 10
_BREACH = "breach"


def keep_verified(home: Path, provider: str, variant: str, entry: Mapping[str, Any]) -> None:
    """Store the results of a build. Checks that were not made keep their earlier results. Raises OSError. Blocks briefly.

    :param entry: `identity`, `version`, `at` (ISO 8601, with a zone), and `checks`: check -> `status`, `detail`, `seconds`.
    """
    entries = _read(home, provider, variant)
    build = (entry["identity"], entry["version"])
    earlier = [one for one in entries if _build_of(one) == build]
    others = [one for one in entries if _build_of(one) != build]
    made = {**entry, "checks": {**(earlier[0]["checks"] if earlier else {}), **entry["checks"]}}
    path = _path(home, provider, variant)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(path, json.dumps([made, *others][:_MOST_BUILDS], indent=1).encode())


def verified_build(home: Path, provider: str, variant: str, identity: str) -> dict[str, Any] | None:
    """Return the newest results of a build; None: it was not verified, or the file is damaged. Blocks briefly.

    The result has `at`, `version`, `made` and `passed` (numbers of checks), `differs` and `breaches` (ids of checks), and `checks`.
    """
    for entry in _read(home, provider, variant):
        if entry.get("identity") == identity:
            return _summary(entry)
    return None


def verified_text(build: Mapping[str, Any]) -> str:
    """Return the results of a build for people: `verified here on 29 Nov: 24 of 24`, and what differs. Pure."""
    day = datetime.fromisoformat(build["at"]).strftime("%d %b").lstrip("0")
    text = f"verified here on {day}: {build['passed']} of {build['made']}"
    differs = [*build["breaches"], *build["differs"]]
    return f"{text}; differs: {', '.join(differs)}" if differs else text


def _summary(entry: dict[str, Any]) -> dict[str, Any]:
    statuses = {name: check["status"] for name, check in entry["checks"].items() if check["status"] != "skipped"}
    return {
        **entry,
        "made": len(statuses),
        "passed": sum(status == "ok" for status in statuses.values()),
        "differs": [name for name, status in statuses.items() if status not in ("ok", _BREACH)],
        "breaches": [name for name, status in statuses.items() if status == _BREACH],
    }


def _read(home: Path, provider: str, variant: str) -> list[dict[str, Any]]:
    try:
        stored = json.loads(read_regular(_path(home, provider, variant), most_bytes=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    return [entry for entry in stored if _is_entry(entry)] if isinstance(stored, list) else []


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("checks"), dict):
        return False
    checks = entry["checks"].values()
    if not all(isinstance(check, dict) and isinstance(check.get("status"), str) for check in checks):
        return False
    try:
        datetime.fromisoformat(entry["at"])
    except (KeyError, TypeError, ValueError):
        return False
    return True


def _path(home: Path, provider: str, variant: str) -> Path:
    return home / _FOLDER / f"{provider}{'-' if variant else ''}{variant}.json"


def _build_of(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    return entry.get("identity"), entry.get("version")
