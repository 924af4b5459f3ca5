"""The wire form of jobs in lists. Imports little, because `jobs list` imports it."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from typing import Any


def listed_job(
    *,
    id: str,  # noqa: A002
    state: str,
    provider: str,
    model: str | None,
    posture: str,
    session_id: str | None,
    native_id: str | None,
    working_dir: str,
    correlation_id: str,
    created_at: datetime,
    started_at: datetime | None,
    ended_at: datetime | None,
    duration_s: float | None,
    error_code: str | None,
    cost_usd: float | None = None,
) -> dict[str, Any]:
    """Return a job as lists show it, from plain values.

    :param model: the model that answered, or else the requested one.
    :param native_id: the CLI's own session id, from the reply.
    :param duration_s: of the run; None: there is no reply.
    :param cost_usd: of the turn; None: unknown.
    """
    return wire_object(
        id=id,
        status=state,
        provider=provider,
        model=model,
        posture=posture,
        gateway_session_id=session_id,
        session_id=native_id,
        working_dir=working_dir,
        correlation_id=correlation_id,
        created_at=stamp(created_at),
        started_at=stamp(started_at),
        ended_at=stamp(ended_at),
        duration_ms=None if duration_s is None else round(duration_s * 1000),
        error_code=error_code,
        cost_usd=cost_usd,
    )


def stamp(moment: datetime | None) -> str | None:
    """Return the time in RFC 3339 form, in UTC."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z") if moment else None


def wire_object(**values: Any) -> dict[str, Any]:
    """Return values under their names on the wire. Values that are None are left out."""
    return {_camel(name): value for name, value in values.items() if value is not None}


@lru_cache(maxsize=1024)
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
