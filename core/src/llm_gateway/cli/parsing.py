"""Parse arguments of the command line: durations and `name=value`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from llm_gateway.cli.exits import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(text: str) -> float:
    """Convert `90`, `90s`, `1.5m` or `2h` to seconds. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smh]?)", text.strip())
    if found is None:
        raise UsageError(f"{text!r} is not a time; write 90, 90s, 10m or 2h")
    return float(found[1]) * _UNITS[found[2]]


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
