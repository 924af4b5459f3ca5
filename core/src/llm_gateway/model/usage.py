"""Tokens and cost of one turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
    saved_usd: float | None = None
