"""Tokens and cost of one run, from its results.

`total_cost_usd` and `modelUsage` are totals of the session, earlier runs included; `model_usage_since_last_result` is what
this result adds. If it is missing, `usage` is the usage of this result without sub-agents, and the cost is known only if the
totals of the session show that there were no earlier runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway import Cost, CostBasis, Usage
from llm_gateway_provider_kit.lines import plausible_usd, token_count

_MODEL_FIELDS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "thinkingTokens")
_RESULT_FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "thinking_tokens",
)


class TurnUsage:
    """Adds up the results of one process."""

    def __init__(self) -> None:
        self._tokens: list[int] | None = None
        self._usd: float | None = None
        self._unpriced = False
        self.cache_ttl_s: float | None = None  #: how long the service keeps the written tokens, as it reports

    def add(self, result: Mapping[str, Any]) -> None:
        """Add one result."""
        delta = result.get("model_usage_since_last_result")
        usage = result.get("usage")
        written = usage.get("cache_creation") if isinstance(usage, Mapping) else None
        for name, ttl_s in (("ephemeral_5m_input_tokens", 300.0), ("ephemeral_1h_input_tokens", 3600.0)):
            if isinstance(written, Mapping) and _count(written, name):
                self.cache_ttl_s = ttl_s
        if isinstance(delta, Mapping):
            self._sum(_over_models(delta))
            self._pay(_cost(delta))
            return
        if not isinstance(usage, Mapping):
            return
        details = usage.get("output_tokens_details")
        counts = {**details, **usage} if isinstance(details, Mapping) else usage
        self._sum([_count(counts, name) for name in _RESULT_FIELDS])
        totals = result.get("modelUsage")
        if isinstance(totals, Mapping) and _over_models(totals) == self._tokens:  # there were no earlier runs
            self._usd, self._unpriced = _cost(totals), False
        else:
            self._usd, self._unpriced = None, True

    def tokens(self) -> Usage:
        """The tokens of all results; unknown if there was no result."""
        if self._tokens is None:
            return Usage()
        fresh, out, read, written, thought = self._tokens
        return Usage(
            input_tokens=fresh,
            output_tokens=out,
            cache_read_tokens=read,
            cache_creation_tokens=written,
            reasoning_tokens=thought,
        )

    def cost(self) -> Cost:
        """The cost of all results, as Claude Code estimates it."""
        if self._usd is None or self._unpriced:
            return Cost()
        return Cost(usd=round(self._usd, 9), basis=CostBasis.REPORTED)

    def _sum(self, counts: list[int]) -> None:
        self._tokens = [a + b for a, b in zip(self._tokens or [0] * len(counts), counts, strict=True)]

    def _pay(self, usd: float | None) -> None:
        if usd is None:
            self._unpriced = True
        else:
            self._usd = (self._usd or 0.0) + usd


def _over_models(models: Mapping[str, Any]) -> list[int]:
    each = [model for model in models.values() if isinstance(model, Mapping)]
    return [sum(_count(model, name) for model in each) for name in _MODEL_FIELDS]


def _cost(models: Any) -> float | None:
    prices = [model.get("costUSD") for model in models.values() if isinstance(model, Mapping)]
    known = [price for price in map(plausible_usd, prices) if price is not None]
    return sum(known) if len(known) == len(prices) else None


def _count(numbers: Mapping[str, Any], name: str) -> int:
    return token_count(numbers.get(name)) or 0
