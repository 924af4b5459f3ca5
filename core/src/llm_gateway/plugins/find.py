"""Find installed plugins, and import one so that its faults do not affect the gateway."""

from __future__ import annotations

from typing import Any

from llm_gateway import entry_points
from llm_gateway.entry_points import GROUP, KINDS, EntryPoint
from llm_gateway.plugins.time_limit import IMPORT_S, time_limit


def find() -> list[EntryPoint]:
    """Find every installed plugin. Imports none of them."""
    return entry_points.find([GROUP + kind for kind in KINDS])


def distributions_of(point: EntryPoint | None) -> list[tuple[str, str]]:
    """Return the distributions (name, version) that define an entry point."""
    if point is None:
        return []
    return [(one.name, one.version) for one in point.distributions]


def load(point: EntryPoint | None) -> Any:
    """Import a plugin. Raises ValueError for every fault, SystemExit included: a plugin must not end the gateway."""
    try:
        with time_limit(IMPORT_S):
            return point.load() if point else None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ValueError(f"could not be imported: {in_one_line(error)}") from error


def in_one_line(error: BaseException) -> str:
    """Return an exception as one line. Also works if `str(error)` raises."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
