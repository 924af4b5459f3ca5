"""Tokens and cost of one run.

Headless, Grok counts only this run, tools and sub-agents included; input tokens do not include cached tokens. The last line has
the totals. A run that fails or is killed has no such line: then the usage is the sum of its responses.
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
    """Adds up the responses until the last line gives the total."""

    def __init__(self) -> None:
        self._responses: list[int | None] | None = None
        self._total: list[int | None] | None = None
        self._usd: float | None = None

    def respond(self, usage: Any) -> None:
        """Add the usage of one response of the model."""
        if isinstance(usage, Mapping):
            counts = _counts(usage)
            before = self._responses or [0] * len(counts)
            self._responses = [None if a is None or b is None else a + b for a, b in zip(before, counts, strict=True)]

    def end(self, event: Mapping[str, Any]) -> None:
        """Process the last line of the run."""
        usage = event.get("usage")
        if isinstance(usage, Mapping):
            self._total = _counts(usage)
        usd = plausible_usd(event.get("total_cost_usd"))
        if usd is not None and not event.get("cost_is_partial"):
            self._usd = usd

    def tokens(self) -> Usage:
        """Return the tokens of the run; unknown if Grok reported none."""
        counts = self._total or self._responses
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
        """Return the cost that the service reported; Grok itself has no prices."""
        return Cost() if self._usd is None else Cost(usd=round(self._usd, 10), basis=CostBasis.REPORTED)


def _counts(usage: Mapping[str, Any]) -> list[int | None]:
    """Return the counts: 0 if Grok did not report one, None if the number is impossible."""
    return [token_count(usage[name]) if usage.get(name) is not None else 0 for name in _NAMES]
