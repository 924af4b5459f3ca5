"""Tokens and cost of one run.

Headless, Grok counts the run alone, tools and sub-agents included; input tokens are those that no cache gave. The last line says
it all at once. A run that fails or is killed has no such line: then the responses that it had so far are added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway import Cost, CostBasis, Usage
from llm_gateway_provider_kit.lines import plausible_usd, token_count

_NAMES = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_tokens",
)


class RunUsage:
    """Adds up responses until the end says the whole."""

    def __init__(self) -> None:
        self._responses: list[int | None] | None = None
        self._whole: list[int | None] | None = None
        self._usd: float | None = None

    def respond(self, usage: Any) -> None:
        """Take what one response of the model used."""
        if isinstance(usage, Mapping):
            counts = _counts(usage)
            before = self._responses or [0] * len(counts)
            self._responses = [None if a is None or b is None else a + b for a, b in zip(before, counts, strict=True)]

    def end(self, event: Mapping[str, Any]) -> None:
        """Take the run's last line."""
        if isinstance(usage := event.get("usage"), Mapping):
            self._whole = _counts(usage)
        usd = plausible_usd(event.get("total_cost_usd"))
        if usd is not None and not event.get("cost_is_partial"):
            self._usd = usd

    def tokens(self) -> Usage:
        """The tokens of the run; unknown when Grok told none."""
        counts = self._whole or self._responses
        if counts is None:
            return Usage()
        fresh, out, read, written, thought = counts
        return Usage(
            input_tokens=fresh,
            output_tokens=out,
            cache_read_tokens=read,
            cache_creation_tokens=written,
            reasoning_tokens=thought,
        )

    def cost(self) -> Cost:
        """The cost that the service told; Grok has no prices of its own."""
        return Cost() if self._usd is None else Cost(usd=round(self._usd, 10), basis=CostBasis.REPORTED)


def _counts(usage: Mapping[str, Any]) -> list[int | None]:
    """Zero where nothing is told, unknown where a number cannot be true."""
    return [token_count(usage[name]) if usage.get(name) is not None else 0 for name in _NAMES]
