"""Reading what a person typed: durations, `name=value`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from llm_gateway.cli.failures import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(text: str) -> float:
    """`90`, `90s`, `1.5m`, `2h`, in seconds."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smh]?)", text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no time; write 90, 90s, 10m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def parameters(pairs: Iterable[str]) -> dict[str, Any]:
    """`name=value`, each value JSON, or a word that stands for itself. `null` is as good as not given."""
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
