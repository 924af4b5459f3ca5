"""Tokens and cost of one run, from its export and its journal.

The export counts only this run, but leaves out model calls that used `run_typescript`, the only way to the tools of an MCP
server. The journal has every call. It may begin with earlier runs of the conversation, and in a long conversation its beginning
may be missing: then the export is used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from llm_gateway import Cost, CostBasis, Usage
from llm_gateway_provider_kit.lines import plausible_usd, token_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Token counts with the names of the journal; `input_tokens` includes cached tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int | None = None  #: not in the export
    reasoning_tokens: int | None = None  #: not in the export

    def as_usage(self) -> Usage:
        """Convert to a Usage, where the input does not include cached tokens."""
        fresh = self.input_tokens - self.cached_input_tokens - (self.cache_write_tokens or 0)
        return Usage(
            input_tokens=max(0, fresh),
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cached_input_tokens,
            cache_creation_tokens=self.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens,
        )


def exported(export: Mapping[str, Any]) -> Tokens | None:
    """Return the counts of the export. None: unknown, because Vibe counts an unfinished call as zero."""
    usage = export.get("usage")
    names = ("input_tokens", "output_tokens", "cached_input_tokens")
    if not isinstance(usage, Mapping) or not usage.get("input_tokens") or not _plausible([usage], names):
        return None
    return Tokens(**{name: _count(usage, name) for name in names})


def journalled(journal: bytes, turn: str | None) -> Tokens | None:
    """Return the sum of all calls of this turn in the journal; None if the beginning of the turn is missing."""
    found: list[Mapping[str, Any]] = []
    begun = False
    for payload in _payloads(journal):
        if payload.get("method") == "turn/start":
            begun = payload.get("client_command_id") == turn
            continue
        usage = _usage_of_call(payload)
        if begun and usage is not None:
            found.append(usage)
    names = tuple(field.name for field in fields(Tokens))
    if not found or not _plausible(found, names):
        return None
    return Tokens(**{name: sum(_count(usage, name) for usage in found) for name in names})


def cost(export: Mapping[str, Any], counted: Tokens | None, all_calls: Tokens | None, alias: str | None) -> Cost:
    """Return the cost of the export; if the journal has more calls, their cost at the same prices is added.

    For a model without prices the export reports a cost of zero, so the cost is unknown.
    """
    usd = plausible_usd(export.get("cost_usd"))
    if counted is None or all_calls is None or not usd:
        return Cost()
    if (counted.input_tokens, counted.output_tokens) != (all_calls.input_tokens, all_calls.output_tokens):
        prices = _prices(export, alias)
        if prices is None or not math.isclose(_priced(counted, prices), usd, rel_tol=1e-6):
            return Cost()
        usd = _priced(all_calls, prices)
    return Cost(usd=round(float(usd), 9), basis=CostBasis.REPORTED)


def _payloads(journal: bytes) -> Iterator[Mapping[str, Any]]:
    for line in journal.splitlines():
        # Most lines of a journal are the conversation itself and need not be parsed.
        if b'"turn/start"' not in line and b'"completion_succeeded"' not in line:
            continue
        try:
            payload = json.loads(line).get("payload")
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(payload, Mapping):
            yield payload


def _usage_of_call(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    result: Any = payload
    for name in ("result", "result", "usage"):
        result = result.get(name) if isinstance(result, Mapping) else None
    return result if isinstance(result, Mapping) and payload.get("state") == "succeeded" else None


def _prices(export: Mapping[str, Any], alias: str | None) -> tuple[float, float, float] | None:
    config = export.get("config")
    models = config.get("models") if isinstance(config, Mapping) else None
    model = models.get(alias) if isinstance(models, Mapping) else None
    if not isinstance(model, Mapping):
        return None
    fresh, out, cached = (model.get(name) for name in ("input_price", "output_price", "cached_input_price"))
    if not isinstance(fresh, (int, float)) or not isinstance(out, (int, float)):
        return None
    return float(fresh), float(out), float(cached if isinstance(cached, (int, float)) else fresh)


def _priced(tokens: Tokens, prices: tuple[float, float, float]) -> float:
    fresh, out, cached = prices
    new = tokens.input_tokens - tokens.cached_input_tokens
    return (new * fresh + tokens.output_tokens * out + tokens.cached_input_tokens * cached) / 1e6


def _plausible(usages: Iterable[Mapping[str, Any]], names: Iterable[str]) -> bool:
    """Return whether all reported numbers are possible."""
    reported = (usage[name] for usage in usages for name in names if usage.get(name) is not None)
    return all(token_count(number) is not None for number in reported)


def _count(numbers: Mapping[str, Any], name: str) -> int:
    return token_count(numbers.get(name)) or 0
