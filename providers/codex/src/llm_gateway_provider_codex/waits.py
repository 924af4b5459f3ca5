"""Read from Codex's log how long it waits before it sends a request again. Codex obeys every Retry-After of the service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

_LINE = re.compile(
    r"^(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\S* +WARN .*codex_core::responses_retry: .*"
    r"retrying sampling request \(\d+/\d+ in (?P<wait>\d+(?:\.\d+)?)(?P<unit>ms|µs|ns|s)\)"
    r"(?:.*? sampling_error=(?P<error>.*))?"
)
_SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
#: Shorter waits are ordinary retries.
_LEAST_S = 15.0
_MOST_S = 400 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Codex waits until a time, because of an error."""

    until: datetime  #: aware
    error: str  #: as Codex reports it; may be empty


def wait_of(line: str) -> Wait | None:
    """Return the wait that a line of the log reports; None: none, or a short one."""
    found = _LINE.match(line)
    if found is None:
        return None
    seconds = float(found["wait"]) * _SECONDS[found["unit"]]
    if not _LEAST_S <= seconds <= _MOST_S:
        return None
    try:
        at = datetime.fromisoformat(found["at"]).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return Wait(until=at + timedelta(seconds=seconds), error=(found["error"] or "").strip())
