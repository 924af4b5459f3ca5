"""What a cache saved, and what a break wasted, by a price list. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llm_gateway import Cost, Record, Usage

#: What tokens cost; None: unknown.
Price = Callable[[Usage], "Cost | None"]


def saved_usd(usage: Usage, price: Price) -> float | None:
    """Against the same turn without a cache. Writing can cost more than plain input, so it may be below zero."""
    read, written = usage.cache_read_tokens, usage.cache_creation_tokens or 0
    if read is None or usage.input_tokens is None:
        return None
    flat = replace(
        usage, input_tokens=usage.input_tokens + read + written, cache_read_tokens=0, cache_creation_tokens=0
    )
    return _difference(price(flat), price(usage))


def wasted_usd(record: Record, actual: int, price: Price) -> float | None:
    """What a break cost: what was missing had to be written, or sent, once more."""
    usage, expected = record.usage, record.cache.expected_tokens
    if expected is None or usage.input_tokens is None:
        return None
    written = usage.cache_creation_tokens or 0
    again = min(max(0, expected - actual), written + usage.input_tokens)
    rewritten = min(again, written)
    unbroken = replace(
        usage,
        input_tokens=usage.input_tokens - (again - rewritten),
        cache_creation_tokens=None if usage.cache_creation_tokens is None else written - rewritten,
        cache_read_tokens=(usage.cache_read_tokens or 0) + again,
    )
    return _difference(price(usage), price(unbroken))


def _difference(more: Cost | None, less: Cost | None) -> float | None:
    if more is None or less is None or more.usd is None or less.usd is None:
        return None
    return round(more.usd - less.usd, 9)
