"""Tallies as callers read them: sums, rates, money. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from llm_gateway import Record, Tally
from llm_gateway_extension_builtin.cache.counting import hour_of
from llm_gateway_extension_builtin.cache.rules import actually_read

_BREAK = "break:"
_BELOW = "below:"


def add_up(tallies: Iterable[Tally]) -> Counter[str]:
    """All counts together."""
    sums: Counter[str] = Counter()
    for tally in tallies:
        sums.update(tally.counts)
    return sums


def cache_view(sums: Mapping[str, int]) -> dict[str, Any]:
    """How well a cache was used."""
    fresh, read, written = (sums.get(name, 0) for name in ("inputTokens", "cacheReadTokens", "cacheCreationTokens"))
    return {
        "requests": sums.get("turns", 0),
        "hits": sums.get("hits", 0),
        "hitRate": _share(sums.get("hits", 0), sums.get("countable", 0)),
        "tokensRead": read,
        "tokensWritten": written,
        "inputTokens": fresh,
        "outputTokens": sums.get("outputTokens", 0),
        "readShare": _share(read, fresh + read + written),
        "costUsd": _usd(sums, "costNano", "priced"),
        "estimatedSavingsUsd": _usd(sums, "savedNano", "savingsKnown"),
        "cacheBreaks": sums.get("breaks", 0),
        "cacheBreakCauses": {name[len(_BREAK) :]: n for name, n in sorted(sums.items()) if name.startswith(_BREAK)},
        "wastedUsd": _usd(sums, "wastedNano", "breaks"),
    }


def by_provider(tallies: Sequence[Tally]) -> dict[str, Any]:
    """The same for each provider."""
    names = sorted({tally.provider for tally in tallies})
    return {name: cache_view(add_up(t for t in tallies if t.provider == name)) for name in names}


def by_model(tallies: Sequence[Tally]) -> list[dict[str, Any]]:
    """The same for each provider and model, with the first and last time."""
    pairs = sorted({(tally.provider, tally.model) for tally in tallies})
    return [
        {
            "provider": provider,
            "model": model or None,
            **cache_view(add_up(mine)),
            "firstSeen": stamp(min(tally.first_at for tally in mine)),
            "lastSeen": stamp(max(tally.last_at for tally in mine)),
        }
        for provider, model in pairs
        if (mine := [tally for tally in tallies if (tally.provider, tally.model) == (provider, model)])
    ]


def performance_view(sums: Mapping[str, int]) -> dict[str, Any]:
    """How runs went. Percentiles are the upper ends of doubling steps, so at most twice the truth."""
    turns, firsts = sums.get("turns", 0), sums.get("firstEvents", 0)
    return {
        "requests": turns,
        "completed": sums.get("completed", 0),
        "notCompleted": turns - sums.get("completed", 0),
        "successRate": _share(sums.get("completed", 0), turns),
        "meanDurationMs": round(sums.get("durationMs", 0) / turns) if turns else None,
        "p50DurationMs": _percentile(sums, 0.50),
        "p95DurationMs": _percentile(sums, 0.95),
        "meanFirstEventMs": round(sums.get("firstEventMs", 0) / firsts) if firsts else None,
        "retries": sums.get("retries", 0),
        "outputTokens": sums.get("outputTokens", 0),
        "costUsd": _usd(sums, "costNano", "priced"),
    }


def over_time(tallies: Sequence[Tally], hours_each: int) -> list[dict[str, Any]]:
    """The same in steps of so many hours, oldest first; steps in which nothing happened are left out."""
    steps: dict[int, list[Tally]] = {}
    for tally in tallies:
        steps.setdefault(int(tally.key) // hours_each * hours_each, []).append(tally)
    return [{"from": stamp(hour_of(str(hour))), **cache_view(add_up(steps[hour]))} for hour in sorted(steps)]


def breaks_view(tallies: Iterable[Tally], limit: int) -> list[dict[str, Any]]:
    """The worst breaks: by money, then by tokens."""
    found: list[tuple[tuple[int, int], dict[str, Any]]] = []
    for tally in tallies:
        _, cause, session_id, job_id = tally.key.split("/", 3)
        expected, actual = tally.counts.get("expected", 0), tally.counts.get("actual", 0)
        wasted = tally.counts.get("wastedNano")
        weight = (wasted or 0, expected - actual)
        view = {
            "at": stamp(tally.last_at),
            "cause": cause,
            "provider": tally.provider,
            "model": tally.model or None,
            "gatewaySessionId": session_id or None,
            "jobId": job_id,
            "expectedTokens": expected,
            "actualTokens": actual,
            "wastedUsd": None if wasted is None else wasted / 1e9,
        }
        found.append((weight, view))
    return [view for _, view in sorted(found, key=lambda one: one[0], reverse=True)[:limit]]


def turn_view(record: Record) -> dict[str, Any]:
    """One turn, without prompt and reply."""
    usage, cache = record.usage, record.cache
    return {
        "jobId": record.job_id,
        "startedAt": stamp(record.started_at),
        "provider": record.provider,
        "model": record.model,
        "resumed": record.resumed,
        "prefixSha256": record.prefix_sha256,
        "prefixTokens": record.prefix_tokens,
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheCreationTokens": usage.cache_creation_tokens,
        "requests": record.run.requests,
        "expectedTokens": cache.expected_tokens,
        "actualTokens": actually_read(record),
        "cacheBreak": cache.cause,
        "ttlMs": None if cache.ttl_s is None else round(cache.ttl_s * 1000),
        "costUsd": record.cost.usd,
        "costBasis": record.cost.basis.value,
        "savedUsd": cache.saved_usd,
        "wastedUsd": cache.wasted_usd,
        "outcome": record.outcome,
        "durationMs": round(record.duration_s * 1000),
    }


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _usd(sums: Mapping[str, int], name: str, known: str) -> float | None:
    return sums.get(name, 0) / 1e9 if sums.get(known) else None


def _percentile(sums: Mapping[str, int], share: float) -> int | None:
    steps = sorted((int(name[len(_BELOW) :]), number) for name, number in sums.items() if name.startswith(_BELOW))
    wanted, seen = share * sum(number for _, number in steps), 0
    for exponent, number in steps:
        seen += number
        if seen >= wanted:
            return 1 << exponent
    return None
