"""Tokens and cost of one turn."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

#: Of one kind in one turn. Nobody uses more, and the usual accident, -1 in 32 or 64 bits without a sign, is above it.
MOST_TOKENS = 4_000_000_000
_MOST_USD = 1_000_000.0


def token_count(value: Any) -> int | None:
    """A number of tokens as a program told it; None: no number, negative, or more than anybody uses."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if 0 <= value <= MOST_TOKENS else None


def plausible_usd(value: Any) -> float | None:
    """A cost in US dollars as a program told it; None: no number, negative, or more than anybody pays for a turn."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_USD:
        return None
    return float(value)


class CostBasis(str, Enum):
    """Where a cost comes from."""

    REPORTED = "reported"  #: the CLI said so
    COMPUTED = "computed"  #: from tokens and a price list
    UNKNOWN = "unknown"  #: nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one turn alone; None means unknown, never zero."""

    input_tokens: int | None = None  #: prompt tokens that were neither read from nor written to a cache
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None


def plausible_usage(usage: Usage) -> Usage:
    """The same usage, unknown where a count cannot be true."""
    return Usage(**{each.name: token_count(getattr(usage, each.name)) for each in fields(Usage)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a turn cost."""

    usd: float | None = None
    basis: CostBasis = CostBasis.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAccount:
    """What a provider's own rules make of a turn's cached tokens."""

    read_tokens: int | None = None
    written_tokens: int | None = None
    ttl_s: float | None = None  #: how long the provider keeps the prefix; None: unknown
    held_tokens: int | None = None  #: what the conversation's next turn can read from the cache
    expected_tokens: int | None = None  #: what this turn should have read
    cause: str | None = None  #: why it did not: set for a cache break alone
    saved_usd: float | None = None  #: against the same turn without a cache; below zero where writing cost more
    wasted_usd: float | None = None  #: what a break cost


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What else is known of a turn's run."""

    cli_version: str | None = None
    retries: int = 0  #: requests that the CLI sent again by itself
    requests: int | None = None  #: of the model, each with the whole conversation before it
    cache_ttl_s: float | None = None  #: how long what this turn wrote is kept, where the provider says so
    first_event_s: float | None = None  #: known when the CLI tells it, or when somebody watched
