"""What is known about the limits of each agent's account: the windows that its program reported in its last run.

They are stored in the home, one small file a provider, with the time of the observation. A request to an agent whose limit is used
up gets a warning at once, which names other agents.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from anyio import to_thread

from llm_gateway import Annotations, CallContext, Gateway, LimitWindow, Notice, Record, Resource, stamp, wire_object
from llm_gateway.files import make_private, read_regular, write_atomic

LIMIT_REACHED = "limit_reached"
_MOST_BYTES = 64 * 1024
_MOST_WINDOWS = 20


def annotate(gateway: Gateway, record: Record) -> Annotations | None:
    """Warn before a run if the limit is used up; store what the run reported when it has ended. Blocking."""
    home = gateway.settings.home
    if record.ended_at is not None:
        with suppress(OSError):  # it is only not known then
            _learn(home, record)
        return None
    known = read_limits(home, record.provider)
    until = exhausted_until(known, datetime.now(timezone.utc)) if known else None
    if known is None or until is None:
        return None
    title = gateway.providers[record.provider].title
    others = available(gateway, besides=record.provider)
    instead = f"; available: {', '.join(others)}" if others else ""
    message = f"The limit of {title} is used up until {until:%Y-%m-%d %H:%M} UTC (observed {known['observedAt'][:16]}Z){instead}"
    details = {"resetAt": stamp(until), "observedAt": known["observedAt"], "available": others}
    return Annotations(notices=(Notice(code=LIMIT_REACHED, message=message, details=details),))


def available(gateway: Gateway, *, besides: str) -> list[str]:
    """Return the installed providers whose limit is not known to be used up. Blocking."""
    now, absent = datetime.now(timezone.utc), gateway.presence.absent
    found = []
    for name in gateway.providers:
        known = read_limits(gateway.settings.home, name)
        if name != besides and name not in absent and not (known and exhausted_until(known, now)):
            found.append(name)
    return found


def read_limits(home: Path, provider: str) -> dict[str, Any] | None:
    """Return what is known: `{observedAt, windows: [{name, usedPercent, resetsAt, exhausted}]}`; None: nothing. Blocking."""
    try:
        found = json.loads(read_regular(_path(home, provider), most_bytes=_MOST_BYTES))
        windows = [dict(window) for window in found["windows"]]
        return {"observedAt": str(found["observedAt"]), "windows": windows}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def exhausted_until(known: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return when the last used-up window is reset; None: none is used up now."""
    moments = [_moment(window.get("resetsAt")) for window in known["windows"] if window.get("exhausted") is True]
    later = [moment for moment in moments if moment is not None and moment > now]
    return max(later, default=None)


def _learn(home: Path, record: Record) -> None:
    if record.run.limits:
        windows = [_view(window) for window in record.run.limits[:_MOST_WINDOWS]]
        document = {"observedAt": stamp(record.ended_at), "windows": windows}
        make_private(home / "limits")
        write_atomic(_path(home, record.provider), json.dumps(document).encode())
    elif record.outcome == "completed" and _says_exhausted(read_limits(home, record.provider)):
        os.unlink(_path(home, record.provider))  # a run has ended well, so it is not used up any more


def _says_exhausted(known: Mapping[str, Any] | None) -> bool:
    return known is not None and any(window.get("exhausted") for window in known["windows"])


def _view(window: LimitWindow) -> dict[str, Any]:
    percent = None if window.used_share is None else round(100 * window.used_share, 1)
    return wire_object(
        name=window.name, used_percent=percent, resets_at=stamp(window.resets_at), exhausted=window.exhausted
    )


def _path(home: Path, provider: str) -> Path:
    return home / "limits" / f"{provider}.json"


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        return None
    return moment if moment.tzinfo else None


async def limits_of(gateway: Gateway, provider: str) -> dict[str, Any]:
    """Return what is known about a provider's limits, and until when they are used up."""
    known = await to_thread.run_sync(read_limits, gateway.settings.home, provider)
    if known is None:
        return {}
    return {**known, **wire_object(exhausted_until=stamp(exhausted_until(known, datetime.now(timezone.utc))))}


async def _read_all(gateway: Gateway, _variables: Mapping[str, str], _context: CallContext) -> str:
    return json.dumps({"providers": {name: await limits_of(gateway, name) or None for name in gateway.providers}})


async def _read_one(gateway: Gateway, variables: Mapping[str, str], _context: CallContext) -> str:
    name = variables["provider"]
    if name not in gateway.providers:
        raise LookupError(f"there is no provider {name}")
    return json.dumps({"provider": name, **(await limits_of(gateway, name) or {"windows": None})})


LIMIT_RESOURCES = [
    Resource(
        uri="limits://all",
        name="limits",
        description="What is known about each agent's limits, with the time of the observation; null: nothing.",
        read=_read_all,
    ),
    Resource(uri="limits://{provider}", name="limit", description="The limits of one agent.", read=_read_one),
]
