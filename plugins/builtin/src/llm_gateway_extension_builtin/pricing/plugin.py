"""The hooks. The price list is loaded with the first turn that needs a price."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import Cost, CostBasis, Resource, Usage, hookimpl

#: Whose models our own providers run.
VENDORS = {"claude": "anthropic", "codex": "openai", "gemini": "google", "grok": "x-ai", "mistral": "mistral"}


class PricingSettings(BaseModel):
    """`[pricing]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vendors: Mapping[str, str] = Field(
        default_factory=dict, description="Whose models a provider runs: provider -> vendor of the price list."
    )


class Pricing:
    """The hooks, with the settings of one gateway."""

    def __init__(self) -> None:
        self._vendors: Mapping[str, str] = VENDORS

    @hookimpl
    def gateway_settings(self) -> Mapping[str, type[BaseModel]]:
        """One section."""
        return {"pricing": PricingSettings}

    @hookimpl
    def gateway_configure(self, settings: Mapping[str, BaseModel]) -> None:
        """Take it in."""
        own = settings["pricing"]
        assert isinstance(own, PricingSettings)
        self._vendors = {**VENDORS, **own.vendors}

    @hookimpl
    def gateway_price(self, usage: Usage, provider: str, model: str | None) -> Cost | None:
        """See prices.py."""
        vendor = self._vendors.get(provider)
        if vendor is None or model is None or not _has_list():
            return None

        from llm_gateway_extension_builtin.pricing.prices import cost_usd, find_rates

        rates = find_rates(vendor, model)
        usd = cost_usd(usage, rates) if rates else None
        return None if usd is None else Cost(usd=usd, basis=CostBasis.COMPUTED)

    @hookimpl
    def gateway_resources(self) -> Sequence[Resource]:
        """Which price list is in use."""
        if not _has_list():
            return []
        description = "The price list in use, the date of its newest price, and the vendor of each provider's models."
        return [Resource(uri="prices://list", name="price-list", description=description, read=self._read)]

    async def _read(self, *_: Any) -> str:
        from llm_gateway_extension_builtin.pricing.prices import describe

        return json.dumps({**await to_thread.run_sync(describe), "vendors": dict(self._vendors)})


@cache
def _has_list() -> bool:
    """Return whether the price list is installed: it is the extra `pricing` of this distribution."""
    return find_spec("genai_prices") is not None
