"""The worked example of docs/explanation/prompt-cache.md, by the price list and by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from llm_gateway import Cost, CostBasis, Usage
from llm_gateway_extension_builtin.cache import money, notices, rules
from llm_gateway_extension_builtin.pricing.prices import cost_usd, find_rates
from plugins.builtin.tests.cache_samples import turn

pytestmark = pytest.mark.docs

PAGE = (Path(__file__).parents[2] / "docs/explanation/prompt-cache.md").read_text("utf-8")
SONNET = find_rates("anthropic", "claude-sonnet-4-5", date(2026, 6, 1))


def price(usage: Usage) -> Cost:
    assert SONNET
    return Cost(usd=cost_usd(usage, SONNET), basis=CostBasis.COMPUTED)


def usage(fresh: int, written: int, read: int) -> Usage:
    return Usage(input_tokens=fresh, output_tokens=1_000, cache_creation_tokens=written, cache_read_tokens=read)


def shown(usd: float) -> str:
    return f"${usd:.4f}"


FLAT, FIRST, LATER = usage(20_500, 0, 0), usage(500, 20_000, 0), usage(500, 0, 20_000)


def test_the_costs_of_the_page_are_those_of_the_list() -> None:
    by_hand = [(61_500 * 3.00 + 3_000 * 15.00) / 1e6, (500 * 3.00 + 20_000 * 3.75 + 15_000) / 1e6]
    by_hand.append((500 * 3.00 + 20_000 * 0.30 + 1_000 * 15.00) / 1e6)
    by_list = [3 * (price(FLAT).usd or 0), price(FIRST).usd or 0, price(LATER).usd or 0]
    assert by_list == pytest.approx(by_hand)
    by_list.append(by_list[1] + 2 * by_list[2])
    assert re.findall(r"\| (\$0\.\d{4}) \|", PAGE) == [shown(usd) for usd in by_list]


def test_the_savings_of_the_page_are_what_the_gateway_computes() -> None:
    saved = [money.saved_usd(one, price) or 0.0 for one in (FIRST, LATER, LATER)]
    assert sum(saved) == pytest.approx(3 * 0.0765 - 0.1365)
    for usd in (sum(saved), -saved[0], saved[1]):
        assert shown(usd) in PAGE


def test_the_waste_of_the_page_is_what_the_gateway_computes() -> None:
    late = turn(0, 20_000, fresh=500, resumed=True, when=400)
    record = replace(late, usage=FIRST)
    judged = rules.judge(record, [turn(0, 20_000)], {}, 1_024)
    assert judged.cause == "ttl_passed"
    broken = replace(record, cache=judged)
    wasted = money.wasted_usd(broken, 0, price)
    assert wasted == pytest.approx(20_000 * (3.75 - 0.30) / 1e6)
    assert shown(wasted or 0) in PAGE


def test_the_page_explains_every_cause() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| ", PAGE, re.M)) == set(notices.WHY)
