"""What is added up of each turn, and under which keys. Whole numbers only, so that sums are exact: money in billionths."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from llm_gateway import Record
from llm_gateway_extension_builtin.cache.rules import actually_read

HOUR, SESSION, PREFIX, BREAK = "hour", "session", "prefix", "break"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LAST = "~"  #: behind every key


def hour_key(moment: datetime) -> str:
    """The key of an hour; keys sort as the hours do."""
    return f"{int((moment - _EPOCH).total_seconds()) // 3600:08d}"


def hour_of(key: str) -> datetime:
    """The beginning of the hour that a key names."""
    return _EPOCH + timedelta(hours=int(key))


def count(record: Record, *, repeated: bool) -> dict[tuple[str, str], dict[str, int]]:
    """What a turn adds. `repeated`: its prefix was there before."""
    hour, numbers = hour_key(record.ended_at or record.started_at), numbers_of(record)
    of_prefix = {"prefixesReused" if repeated else "prefixesNew": 1} if record.prefix_sha256 else {}
    counts = {(HOUR, hour): {**numbers, **of_prefix, **_times(record)}}
    if record.session_id:
        counts[SESSION, record.session_id] = numbers
    if record.prefix_sha256:
        counts[PREFIX, record.prefix_sha256] = numbers
    if record.cache.cause:
        shown = {"actual": actually_read(record) or 0, "expected": record.cache.expected_tokens or 0}
        money = {"wastedNano": _nano(record.cache.wasted_usd)} if record.cache.wasted_usd is not None else {}
        counts[BREAK, f"{hour}/{record.cache.cause}/{record.session_id or ''}/{record.job_id}"] = {**shown, **money}
    return counts


def numbers_of(record: Record) -> dict[str, int]:
    """Tokens, money and ends; what is unknown is not counted as zero, so each sum has its number of turns beside it."""
    usage, cache = record.usage, record.cache
    known = usage.cache_read_tokens is not None
    numbers = {
        "turns": 1,
        "completed": int(record.outcome == "completed"),
        "countable": int(known),
        "hits": int(bool(usage.cache_read_tokens)),
        "inputTokens": usage.input_tokens or 0,
        "outputTokens": usage.output_tokens or 0,
        "cacheReadTokens": usage.cache_read_tokens or 0,
        "cacheCreationTokens": usage.cache_creation_tokens or 0,
        "reasoningTokens": usage.reasoning_tokens or 0,
        "priced": int(record.cost.usd is not None),
        "costNano": _nano(record.cost.usd),
        "savingsKnown": int(cache.saved_usd is not None),
        "savedNano": _nano(cache.saved_usd),
        "expected": int(cache.expected_tokens is not None),
        "breaks": int(cache.cause is not None),
        "wastedNano": _nano(cache.wasted_usd),
    }
    if cache.cause:
        numbers[f"break:{cache.cause}"] = 1
    return {name: number for name, number in numbers.items() if number}


def _times(record: Record) -> dict[str, int]:
    """Durations: their sum, and how many were below each power of two (in ms)."""
    ms = max(0, round(record.duration_s * 1000))
    times = {"durationMs": ms, f"below:{ms.bit_length():02d}": 1, "retries": record.run.retries}
    if record.run.first_event_s is not None:
        times |= {"firstEvents": 1, "firstEventMs": round(record.run.first_event_s * 1000)}
    return {name: number for name, number in times.items() if number}


def _nano(usd: float | None) -> int:
    return round((usd or 0.0) * 1e9)
