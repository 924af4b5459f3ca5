"""The windows of a subscription's limit, as Claude Code reports them in `rate_limit_event`s.

Successful runs print such events, too. Their `rate_limit_info` holds a `status` (allowed, allowed_warning, rejected), `resetsAt` (epoch
seconds) and `rateLimitType`; some versions put several windows into one event.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from llm_gateway import LimitWindow

_PASSES = ("allowed", "allowed_warning", "ok", "active", "")
_MOST_WINDOWS = 50
_LONGEST_NAME = 100


class LimitWindows:
    """The last reported state of each window."""

    def __init__(self) -> None:
        self._windows: dict[str, LimitWindow] = {}

    def take(self, info: Any) -> None:
        """Process the `rate_limit_info` of one event. The value may have any type."""
        for name, window in _windows(info):
            if len(self._windows) >= _MOST_WINDOWS and name not in self._windows:
                continue
            resets_at = _epoch(window.get("resetsAt", window.get("resets_at")))
            self._windows[name] = LimitWindow(
                name=name[:_LONGEST_NAME],
                used_share=_share(window.get("utilization")),
                resets_at=None if resets_at is None else datetime.fromtimestamp(resets_at, timezone.utc),
                exhausted=_used_up(window),
            )

    def reset_at(self) -> datetime | None:
        """The time when the last used-up window is reset. None: no window is used up, or its reset is unknown."""
        known = [window.resets_at for window in self._windows.values() if window.exhausted and window.resets_at]
        return max(known, default=None)

    def all(self) -> tuple[LimitWindow, ...]:
        """The windows in the order of their first report."""
        return tuple(self._windows.values())


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
    share = _share(window.get("utilization"))
    return share is not None and share >= 1


def _share(used: Any) -> float | None:
    """Return a utilisation as a share; programs report it as a share or in percent."""
    if isinstance(used, bool) or not isinstance(used, (int, float)) or not 0 <= used <= 1000:
        return None
    return float(used) if used < 2 else used / 100


def _epoch(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    seconds = value / 1000 if value >= 1e11 else float(value)
    return seconds if 1e9 < seconds < 1e10 else None
