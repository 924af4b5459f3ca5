"""What turns used and cost, grouped. Pure. What is unknown is None, never 0; each sum says of how many turns it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from llm_gateway import Record, stamp

#: What turns can be grouped by.
GROUPINGS = ("provider", "model", "directory", "session", "day")
_TOKENS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadTokens": "cache_read_tokens",
    "cacheCreationTokens": "cache_creation_tokens",
    "reasoningTokens": "reasoning_tokens",
}


def key_of(by: str, directories: Mapping[str, str]) -> Callable[[Record], str | None]:
    """Return a function that returns the group of a record. None: unknown.

    :param by: one of GROUPINGS.
    :param directories: job id -> directory of its run.
    """
    keys: dict[str, Callable[[Record], str | None]] = {
        "provider": lambda record: record.provider,
        "model": lambda record: record.model,
        "directory": lambda record: directories.get(record.job_id),
        "session": lambda record: record.session_id,
        "day": lambda record: f"{record.started_at.astimezone():%Y-%m-%d}",
    }
    return keys[by]


def usage_report(
    records: Sequence[Record], by: str, directories: Mapping[str, str], since: datetime, *, complete: bool
) -> dict[str, Any]:
    """Return the report of these turns: the groups with the highest cost first, days in order, and the total.

    :param complete: whether these are all turns since then.
    """
    key = key_of(by, directories)
    groups: dict[str | None, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    views = [{"key": name, **usage_view(mine)} for name, mine in groups.items()]
    if by == "day":
        views.sort(key=lambda view: view["key"] or "")
    else:
        views.sort(key=lambda view: (-(view["costUsd"] or 0.0), -view["turns"], view["key"] or ""))
    return {"since": stamp(since), "by": by, "complete": complete, "groups": views, "total": usage_view(records)}


def usage_view(records: Sequence[Record]) -> dict[str, Any]:
    """Return sums, rates and percentiles of turns."""
    read = [record.usage.cache_read_tokens for record in records if record.usage.cache_read_tokens is not None]
    durations = sorted(round(record.duration_s * 1000) for record in records)
    basis = Counter(record.cost.basis.value for record in records)
    return {
        "turns": len(records),
        "completed": sum(record.outcome == "completed" for record in records),
        **{wire: _sum(getattr(record.usage, name) for record in records) for wire, name in _TOKENS.items()},
        "turnsWithTokens": sum(record.usage.output_tokens is not None for record in records),
        "hitRate": sum(tokens > 0 for tokens in read) / len(read) if read else None,
        "costUsd": _sum(record.cost.usd for record in records),
        "turnsWithCost": sum(record.cost.usd is not None for record in records),
        "costBasis": dict(sorted(basis.items())),
        "savedUsd": _sum(record.cache.saved_usd for record in records),
        "wastedUsd": _sum(record.cache.wasted_usd for record in records),
        "cacheBreaks": sum(record.cache.cause is not None for record in records),
        "p50DurationMs": percentile(durations, 50),
        "p95DurationMs": percentile(durations, 95),
        "maxDurationMs": durations[-1] if durations else None,
    }


def percentile(ascending: Sequence[int], percent: int) -> int | None:
    """Return the nearest-rank percentile: the least value that is not less than so many percent of the values. None: there is none."""
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)] if ascending else None


def _sum(values: Iterable[Any]) -> Any:
    """Return the sum of the known values; None if none is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
