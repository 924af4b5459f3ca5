"""The windows of a subscription's limit, as Claude Code tells them in `rate_limit_event`s.

An event comes on good runs, too. Its `rate_limit_info` holds a `status` (allowed, allowed_warning, rejected), `resetsAt` (epoch
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
    """What is known of each window, as it was told last."""

    def __init__(self) -> None:
        self._resets: dict[str, float | None] = {}  # window -> epoch seconds while it is used up; None: it is not

    def take(self, info: Any) -> None:
        """Take one event's `rate_limit_info`, whatever it is."""
        for name, window in _windows(info):
            if len(self._resets) < _MOST_WINDOWS or name in self._resets:
                self._resets[name] = (
                    _epoch(window.get("resetsAt", window.get("resets_at"))) if _used_up(window) else None
                )

    def reset_at(self) -> datetime | None:
        """When the last of the used-up windows is filled again; None: none is used up, or it is not told."""
        known = [moment for moment in self._resets.values() if moment is not None]
        return datetime.fromtimestamp(max(known), timezone.utc) if known else None


def _windows(info: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(info, dict):
        return
    if "status" in info or "utilization" in info:
        yield str(info.get("rateLimitType")), info
    for name, value in info.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield str(each.get("rateLimitType", name)), each


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
