"""The price list: which entry is a model's, and what tokens cost by it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

from genai_prices.data_snapshot import get_snapshot

from llm_gateway import Usage

#: A known name that continues like this is another version, not a date or an edition.
_ANOTHER_VERSION = re.compile(r"[.\-]?\d{1,3}(?!\d)")
_EDITION = re.compile(r"\[[^\]]*\]$")  # `[1m]`: the same model with a longer window


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Dollars for a million tokens; a cache that costs nothing extra has the input's price."""

    model: str  #: the entry
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal


def find_rates(vendor: str, model: str, today: date | None = None) -> Rates | None:
    """Find a model's entry: of those that fit the longest name. None: the list does not have it."""
    return _rates(vendor, model, today or datetime.now(timezone.utc).date())


@cache
def _rates(vendor: str, model: str, today: date) -> Rates | None:
    name = _EDITION.sub("", model.strip().lower())
    source = next((one for one in get_snapshot().providers if one.id == vendor), None)
    fitting = [one for one in (source.models if source else ()) if one.is_match(name) and not _newer(name, one.id)]
    if not fitting:
        return None
    entry = max(fitting, key=lambda one: len(one.id))
    prices = entry.get_prices(datetime(today.year, today.month, today.day, tzinfo=timezone.utc))
    fresh, out = _dollars(prices.input_mtok), _dollars(prices.output_mtok)
    if fresh is None or out is None:
        return None
    read, written = _dollars(prices.cache_read_mtok), _dollars(prices.cache_write_mtok)
    return Rates(
        model=entry.id,
        input=fresh,
        output=out,
        cache_read=fresh if read is None else read,
        cache_write=fresh if written is None else written,
    )


def cost_usd(usage: Usage, rates: Rates) -> float | None:
    """What tokens cost; None when it is not known how many there were."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, written = usage.cache_read_tokens or 0, usage.cache_creation_tokens or 0
    sum_ = usage.input_tokens * rates.input + usage.output_tokens * rates.output
    sum_ += read * rates.cache_read + written * rates.cache_write
    return round(float(sum_ / 1_000_000), 9)


def describe() -> dict[str, Any]:
    """Which list this is. The list has no date, so the newest start date of a price is used."""
    models = (model for source in get_snapshot().providers for model in source.models)
    conditional = (price for model in models if isinstance(model.prices, list) for price in model.prices)
    days: list[Any] = [getattr(price.constraint, "start_date", None) for price in conditional]
    today = datetime.now(timezone.utc).date()
    newest = max((day for day in days if isinstance(day, date) and day <= today), default=None)  # some are announced
    return {"list": f"genai-prices {version('genai-prices')}", "newestPriceOn": newest and newest.isoformat()}


def _newer(name: str, known: str) -> bool:
    return name.startswith(known) and _ANOTHER_VERSION.match(name[len(known) :]) is not None


def _dollars(price: Any) -> Decimal | None:
    """The base price; tiers are for single requests that are longer than a turn's sum can tell."""
    base = getattr(price, "base", price)
    return None if base is None else Decimal(base)
