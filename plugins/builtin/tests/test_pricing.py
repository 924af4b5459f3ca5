"""What a turn costs by the list."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import anyio
import pytest

from llm_gateway import Cost, CostBasis, Usage
from llm_gateway_extension_builtin.pricing import plugin
from llm_gateway_extension_builtin.pricing.plugin import Pricing
from llm_gateway_extension_builtin.pricing.prices import Rates, cost_usd, describe, find_rates

DAY = date(2026, 6, 1)
SONNET = find_rates("anthropic", "claude-sonnet-4-5-20250929", DAY)


def test_a_dated_name_has_the_price_of_its_model() -> None:
    assert SONNET
    assert (SONNET.model, SONNET.input, SONNET.output) == ("claude-sonnet-4-5", Decimal(3), Decimal(15))
    assert (SONNET.cache_read, SONNET.cache_write) == (Decimal("0.3"), Decimal("3.75"))


def test_tokens_are_priced_by_kind_and_by_hand() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=200, cache_read_tokens=10_000, cache_creation_tokens=4_000)
    by_hand = (1_000 * 3 + 200 * 15 + 10_000 * 0.3 + 4_000 * 3.75) / 1_000_000
    assert SONNET
    assert cost_usd(usage, SONNET) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("name", ["grok-4.5", "grok-4.7", "grok-4-fast", "grok-4.3"])
def test_lesson_68_a_model_is_never_billed_as_one_whose_name_it_begins_with(name: str) -> None:
    four, other = find_rates("x-ai", "grok-4", DAY), find_rates("x-ai", name, DAY)
    assert four
    assert other
    assert (other.model, other.input) != (four.model, four.input)


@pytest.mark.parametrize(
    ("vendor", "name"),
    [
        ("x-ai", "grok-4.99"),
        ("x-ai", "grok-99"),
        ("anthropic", "claude-sonnet-4-99"),
        ("anthropic", "claude-opus-4-99-20991231"),
        ("openai", "gpt-5.99"),
        ("google", "gemini-2.99-pro"),
        ("nobody", "gpt-5"),
        ("anthropic", "opus"),
        ("openai", ""),
    ],
)
def test_lesson_68_unknown_stays_unknown(vendor: str, name: str) -> None:
    assert find_rates(vendor, name, DAY) is None


def test_of_several_entries_the_longest_name_wins() -> None:
    mini = find_rates("openai", "gpt-5-mini", DAY)
    assert mini
    assert mini.model == "gpt-5-mini"


def test_an_edition_in_brackets_is_the_same_model() -> None:
    assert find_rates("anthropic", "claude-sonnet-4-5[1m]", DAY) == SONNET


def test_without_tokens_there_is_no_cost() -> None:
    assert SONNET
    assert cost_usd(Usage(), SONNET) is None


def test_a_cache_without_a_price_of_its_own_costs_what_input_costs() -> None:
    flat = Rates(model="m", input=Decimal(2), output=Decimal(4), cache_read=Decimal(2), cache_write=Decimal(2))
    usage = Usage(input_tokens=0, output_tokens=0, cache_read_tokens=500_000, cache_creation_tokens=500_000)
    assert cost_usd(usage, flat) == 2.0


def test_the_hook_prices_our_providers_and_those_that_the_operator_names() -> None:
    usage, pricing, set_pricing = Usage(input_tokens=1_000_000, output_tokens=0), Pricing(), Pricing()
    set_pricing.gateway_configure({"pricing": plugin.PricingSettings(vendors={"acme": "anthropic"})})
    assert pricing.gateway_price(usage, "claude", "claude-sonnet-4-5") == Cost(usd=3.0, basis=CostBasis.COMPUTED)
    assert pricing.gateway_price(usage, "acme", "claude-sonnet-4-5") is None
    assert pricing.gateway_price(usage, "claude", None) is None
    assert set_pricing.gateway_price(usage, "acme", "claude-sonnet-4-5") == Cost(usd=3.0, basis=CostBasis.COMPUTED)


def test_the_list_says_which_one_it_is_and_how_new() -> None:
    told = describe()
    assert told["list"].startswith("genai-prices ")
    assert date.fromisoformat(told["newestPriceOn"]) > date(2025, 1, 1)
    (resource,) = Pricing().gateway_resources()
    assert json.loads(anyio.run(resource.read, None, {}, None))["vendors"]["claude"] == "anthropic"  # type: ignore[arg-type]  # it looks at neither


def test_without_the_price_list_no_price_is_known_and_none_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_has_list", lambda: False)
    assert Pricing().gateway_price(Usage(input_tokens=1), "claude", "claude-sonnet-4-5") is None
    assert list(Pricing().gateway_resources()) == []
