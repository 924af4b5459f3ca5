"""Parse arguments of the command line: durations and `name=value`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from llm_gateway.cli.exits import UsageError

_AGES = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(text: str) -> float:
    """Convert `90`, `90s`, `1.5m` or `2h` to seconds. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smh]?)", text.strip())
    if found is None:
        raise UsageError(f"{text!r} is not a time; write 90, 90s, 10m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def moment_of(text: str, now: datetime) -> datetime:
    """Convert `2h`, `3d` or `1w` (so long before `now`), or a local date or time such as `2026-11-30`. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    if found is not None:
        return now - timedelta(seconds=int(found[1]) * _AGES[found[2]])
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a time; write 30m, 2h, 3d, 1w or 2026-11-30") from None


def parameters(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse `name=value` pairs. A value is JSON or else plain text. `null` leaves the parameter out. Raises UsageError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise UsageError(f"--param {pair!r}: write name=value")
        if name in found:
            raise UsageError(f"--param {name} is given twice")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return {name: value for name, value in found.items() if value is not None}
