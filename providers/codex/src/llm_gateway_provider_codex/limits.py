"""The windows of the account's limit, from the entries `token_count` of the conversation's record.

Their `rate_limits` holds `primary` and `secondary`, each with `used_percent`, `window_minutes`, and `resets_at` (epoch seconds) or
`resets_in_seconds`. They are known only if the record was read: on a resumed turn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import Any

from llm_gateway import LimitWindow, RunEnd
from llm_gateway_provider_kit.lines import as_dict

_NAMES = ("primary", "secondary")
_MINUTE, _HOUR, _DAY = 1, 60, 1440


def limits_of(end: RunEnd) -> tuple[LimitWindow, ...]:
    """Return the windows in the last entry that has them; empty: none has."""
    found: tuple[LimitWindow, ...] = ()
    for content in end.artifacts.values():
        for line in BytesIO(content):  # line by line: a record can be long
            if b'"rate_limits"' in line:
                found = _windows(line) or found
    return found


def _windows(line: bytes) -> tuple[LimitWindow, ...]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    limits = as_dict(as_dict(as_dict(entry).get("payload")).get("rate_limits"))
    written = _moment(as_dict(entry).get("timestamp"))
    return tuple(_window(name, limits[name], written) for name in _NAMES if isinstance(limits.get(name), dict))


def _window(name: str, window: Mapping[str, Any], written: datetime | None) -> LimitWindow:
    percent = _number(window.get("used_percent"))
    resets_at, left_s = _number(window.get("resets_at")), _number(window.get("resets_in_seconds"))
    moment = None
    if resets_at is not None and 1e9 < resets_at < 1e10:
        moment = datetime.fromtimestamp(resets_at, timezone.utc)
    elif left_s is not None and written is not None and 0 <= left_s < 1e9:
        moment = written + timedelta(seconds=left_s)
    return LimitWindow(
        name=_length(_number(window.get("window_minutes"))) or name,
        used_share=None if percent is None or percent < 0 else percent / 100,
        resets_at=moment,
        exhausted=percent is not None and percent >= 100,
    )


def _length(minutes: float | None) -> str:
    """Return the length of a window, such as `5 h`; empty: unknown."""
    if minutes is None or minutes < 1:
        return ""
    for unit, size in (("days", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if minutes >= size and minutes % size == 0:
            return f"{minutes / size:.0f} {unit}"
    return ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        return None
    return moment if moment.tzinfo else None
