"""Tokens and cost of one turn."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any

#: The maximum of one kind of token in one turn. A -1 that was read as an unsigned 32 or 64 bit number is above it.
MOST_TOKENS = 4_000_000_000
_MOST_USD = 1_000_000.0


def token_count(value: Any) -> int | None:
    """A number of tokens that a program reported; None: not a number, negative, or impossibly large."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if 0 <= value <= MOST_TOKENS else None


def plausible_usd(value: Any) -> float | None:
    """A cost in US dollars that a program reported; None: not a number, negative, or impossibly large."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_USD:
        return None
    return float(value)


class CostBasis(str, Enum):
    """Where a cost comes from."""

    REPORTED = "reported"  #: by the CLI
    COMPUTED = "computed"  #: from tokens and a price list
    UNKNOWN = "unknown"  #: no cost is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one turn alone; None means unknown, never zero."""

    input_tokens: int | None = None  #: prompt tokens that were neither read from nor written to a cache
    output_tokens: int | None = None  #: includes `reasoning_tokens`
    cache_read_tokens: int | None = None  #: read from the prompt cache
    cache_creation_tokens: int | None = None  #: written to the prompt cache
    reasoning_tokens: int | None = None  #: part of the output


def plausible_usage(usage: Usage) -> Usage:
    """The same usage, with None for impossible counts."""
    return Usage(**{each.name: token_count(getattr(usage, each.name)) for each in fields(Usage)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a turn."""

    usd: float | None = None  #: US dollars; None: unknown, never zero
    basis: CostBasis = CostBasis.UNKNOWN  #: where `usd` comes from


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAccount:
    """The cached tokens of a turn, interpreted by the provider's own rules. None always means unknown."""

    read_tokens: int | None = None  #: read from the cache
    written_tokens: int | None = None  #: written to the cache
    ttl_s: float | None = None  #: seconds for which the service keeps the prefix
    held_tokens: int | None = None  #: tokens that the conversation's next turn can read from the cache
    expected_tokens: int | None = None  #: tokens that this turn should have read
    cause: str | None = None  #: the cause, only for a cache break, such as `ttl_passed`
    saved_usd: float | None = None  #: compared with the same turn without a cache; negative if writing cost more
    wasted_usd: float | None = None  #: the cost of a cache break


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWindow:
    """One window of the limit of an account, as the agent's program reported it."""

    name: str  #: as the provider names it, such as `five_hour`
    used_share: float | None = None  #: 0 to 1; None: unknown
    resets_at: datetime | None = None  #: aware; None: unknown
    exhausted: bool = False  #: whether it is used up


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Further facts about a turn's run."""

    cli_version: str | None = None  #: as the CLI reports it
    retries: int = 0  #: requests that the CLI repeated by itself
    requests: int | None = None  #: requests to the model, each with the whole conversation so far
    cache_ttl_s: float | None = None  #: time to live, in seconds, of what this turn wrote to the cache, if reported
    first_event_s: float | None = None  #: seconds until the first event, if the CLI reports it or a client watched
    limits: tuple[LimitWindow, ...] = ()  #: the windows of the account's limit, as they were at the end of the run
