"""The windows of a subscription's limit, as Claude Code reports them in `rate_limit_event`s.

Successful runs print such events, too. Their `rate_limit_info` holds a `status` (allowed, allowed_warning, rejected), `resetsAt` (epoch
seconds) and `rateLimitType`; some versions put several windows into one event.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

_PASSES = ("allowed", "allowed_warning", "ok", "active", "")
_MOST_WINDOWS = 50


class LimitWindows:
    """The last reported state of each window."""

    def __init__(self) -> None:
        self._resets: dict[str, float | None] = {}  # window -> epoch seconds of its reset; None: it is not used up

    def take(self, info: Any) -> None:
        """Process the `rate_limit_info` of one event. The value may have any type."""
        for name, window in _windows(info):
            if len(self._resets) >= _MOST_WINDOWS and name not in self._resets:
                continue
            resets_at = window.get("resetsAt", window.get("resets_at"))
            self._resets[name] = _epoch(resets_at) if _used_up(window) else None

    def reset_at(self) -> datetime | None:
        """The time when the last used-up window is reset. None: no window is used up, or its reset is unknown."""
        known = [moment for moment in self._resets.values() if moment is not None]
        return datetime.fromtimestamp(max(known), timezone.utc) if known else None


def _windows(info: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(info, dict):
        return
    if "status" in info or "utilization" in info:
        yield str(info.get("rateLimitType")), info
    for name, value in info.items():
        candidates = value if isinstance(value, list) else [value]
        for window in candidates:
            if isinstance(window, dict):
                yield str(window.get("rateLimitType", name)), window


def _used_up(window: dict[str, Any]) -> bool:
    status = window.get("status")
    if isinstance(status, str):
        return status not in _PASSES
    used = window.get("utilization")
    return isinstance(used, (int, float)) and (used >= 100 or 1 <= used < 2)


def _epoch(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    seconds = value / 1000 if value >= 1e11 else float(value)
    return seconds if 1e9 < seconds < 1e10 else None
