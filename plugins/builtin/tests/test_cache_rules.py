"""What a turn should have read, whether it did, and why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_gateway import CacheAccount, Cost, CostBasis, Record, RunFacts, Usage
from llm_gateway_extension_builtin.cache import money, notices, rules
from llm_gateway_extension_builtin.cache.settings import CacheSettings
from plugins.builtin.tests.cache_samples import FACTS, at, beginning, turn

SETTINGS = CacheSettings()
FIRST = turn(0, 12_000)


def judged(record: Record, *earlier: Record, **facts: Any) -> CacheAccount:
    return rules.judge(record, earlier, {**FACTS, **facts}, SETTINGS.min_prefix_tokens)


def again(read: int | None = 0, written: int | None = 12_300, **changes: Any) -> Record:
    return turn(read, written, **{"when": 60, "resumed": True, **changes})


def test_lesson_76_a_conversation_that_reads_what_was_held_is_whole() -> None:
    account = judged(again(12_000, 300), FIRST)
    assert (account.expected_tokens, account.cause) == (12_000, None)


def test_lesson_76_a_conversation_that_reads_nothing_is_a_break() -> None:
    account = judged(again(), FIRST)
    assert (account.expected_tokens, account.cause) == (12_000, "unknown")


def test_a_part_that_is_missing_is_a_break_too_but_a_little_is_not() -> None:
    assert judged(again(9_000, 3_300), FIRST).cause == "unknown"
    assert judged(again(11_200, 1_100), FIRST).cause is None


@pytest.mark.parametrize(
    ("changes", "facts", "cause"),
    [
        ({"started_at": at(400)}, {}, "ttl_passed"),
        ({"model": "m-2"}, {}, "model_changed"),
        ({}, {"tools": "t2"}, "tools_changed"),
        ({"run": RunFacts(cli_version="1.1", requests=1)}, {}, "cli_version_changed"),
        ({"run": RunFacts(requests=1)}, {"program": "p2"}, "cli_version_changed"),
        ({}, {"program": "p2"}, "unknown"),  # the same version, installed again
        ({}, {"options": "o2"}, "prefix_changed"),
        ({}, {}, "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_break_has_the_likeliest_cause(changes: dict[str, Any], facts: dict[str, Any], cause: str) -> None:
    assert judged(again(**changes), FIRST, **facts).cause == cause


def test_a_turn_of_several_requests_is_judged_by_what_the_first_one_can_have_read() -> None:
    # Nothing, then all that the first one wrote, twice: 24,600 in all, but the conversation was not read.
    broken = again(24_600, 12_400, run=RunFacts(cli_version="1.0", requests=3))
    assert judged(broken, FIRST).cause == "unknown"
    whole = again(37_000, 700, run=RunFacts(cli_version="1.0", requests=3))
    assert judged(whole, FIRST).cause is None


def test_where_nobody_tells_what_is_held_a_break_is_that_nothing_is_read_any_more() -> None:
    several = {"run": RunFacts(), "cache": CacheAccount()}
    busy = turn(90_000, 0, fresh=8_000, **several)  # ten requests, each with the conversation before it
    quick = again(14_000, 0, fresh=500, **several)
    assert judged(quick, busy).cause is None
    lost = judged(again(0, 0, fresh=14_500, **several), busy)
    assert (lost.cause, lost.expected_tokens) == ("unknown", 14_500), "never more than the whole turn"
    never = turn(0, 0, fresh=14_000, **several)
    assert judged(again(0, 0, fresh=14_500, **several), never).cause is None, "it was not read before either"


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert judged(again(None, None), FIRST) == again(None, None).cache
    assert judged(again(outcome="failed"), FIRST).cause is None
    assert judged(again()).cause is None, "there is no turn before"
    assert judged(again(), turn(0, 500)).cause is None, "too short to be kept"
    assert judged(turn(0, 12_000, when=60), FIRST).cause is None, "a new conversation without a prefix"


def test_a_marked_prefix_that_is_not_read_by_the_next_conversation_is_a_break() -> None:
    first = beginning(turn(0, 17_000), 5_000, "gw-1", task_bytes=400)
    second = beginning(turn(0, 17_000, when=60), 5_000, "gw-2")
    assert judged(second, first).expected_tokens == 16_900
    assert judged(second, first).cause == "unknown"
    assert judged(beginning(turn(16_800, 100, when=60), 5_000, "gw-2"), first).cause is None
    assert judged(beginning(turn(12_000, 5_000, when=60), 5_000, "gw-2"), first).cause == "unknown", "the system alone"


def test_a_prefix_that_comes_again_after_its_time_is_no_break() -> None:
    first = beginning(turn(0, 17_000), 5_000, "gw-1")
    assert judged(beginning(turn(0, 17_000, when=400), 5_000, "gw-2"), first).expected_tokens is None


def test_where_nobody_tells_how_long_a_prompt_is_kept_an_hour_is_too_long() -> None:
    first = turn(5_000, 0, fresh=500, cache=CacheAccount())
    assert judged(again(0, 0, fresh=6_000, when=3_700), first).cause == "ttl_passed"
    assert judged(again(0, 0, fresh=6_000, when=3_500), first).cause == "unknown"


def test_a_flat_prefix_is_not_expected_where_marks_are_needed() -> None:
    flat = {"kept": {"cache": {**FACTS, "marked": False}}}
    first = beginning(turn(0, 17_000, **flat), 5_000, "gw-1")
    second = beginning(turn(12_000, 5_000, when=60), 5_000, "gw-2")
    assert judged(second, first, marked=False).cause is None


def test_a_service_that_caches_by_itself_is_held_to_what_it_read_before() -> None:
    flat = {"kept": {"cache": {**FACTS, "marked": False}}}
    first = beginning(turn(0, None, fresh=6_000, **flat), 5_000, "gw-1")
    second = beginning(turn(5_120, None, when=60, **flat), 5_000, "gw-2")
    third = beginning(turn(0, None, when=90), 5_000, "gw-3")
    assert judged(second, first, marked=False).cause is None
    assert judged(third, first, marked=False).expected_tokens is None, "nobody has seen it read"
    assert judged(third, second, first, marked=False).cause == "unknown"


# ---------------------------------------------------------------------------------------------------------- warnings


def warned(record: Record, *earlier: Record, **changes: Any) -> list[str]:
    asked = {"marked": False, "markable": True, "settings": SETTINGS, **changes}
    begun = replace(record, ended_at=None)
    return [notice.code for notice in notices.before_run(begun, earlier, **asked)]


@pytest.mark.parametrize(("when", "left_ms"), [(275, 26_000), (299, 2_000), (301, 0), (9_000, 0)])
def test_a_cache_that_is_about_to_die_is_told(when: float, left_ms: int) -> None:
    (notice,) = notices.before_run(again(when=when), [FIRST], marked=False, markable=True, settings=SETTINGS)
    assert notice.code == "cache_ttl_expiring_soon"
    assert notice.details == {"ttlRemainingMs": left_ms}


def test_a_cache_that_lives_is_not_worth_a_word() -> None:
    assert warned(again(when=200), FIRST) == []
    assert warned(again(when=280), turn(0, 500)) == [], "there is too little in it"
    assert warned(again(when=280), FIRST, settings=CacheSettings(warn_on_ttl_expiry=False)) == []
    assert warned(turn(when=280), FIRST) == [], "nothing is continued"


def test_a_large_prefix_that_comes_flat_for_the_third_time_is_told() -> None:
    flat = {"kept": {"cache": {**FACTS, "marked": False}}}
    before = [beginning(turn(0, 9_000, **flat), 5_000, f"gw-{number}") for number in range(2)]
    now = beginning(turn(when=60), 5_000, "gw-9")
    assert warned(now, *before) == ["cacheable_prefix_uncached"]
    assert warned(now, before[0]) == []
    assert warned(now, *before, marked=True) == []
    assert warned(now, *before, markable=False) == []
    assert warned(replace(now, prefix_bytes=4_000), *before) == [], "too short to be kept"


def test_a_break_is_told_with_its_figures() -> None:
    record = replace(again(2_000, 10_300), cache=judged(again(2_000, 10_300, model="m-2"), FIRST))
    (notice,) = notices.after_run(record)
    assert notice.code == "cache_break"
    assert notice.details == {"expectedTokens": 12_000, "actualTokens": 2_000, "cause": "model_changed"}


# ------------------------------------------------------------------------------------------------------------- money


def price(usage: Usage) -> Cost:
    """1.00, 5.00, 0.10 and 1.25 dollars for a million."""
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
    usd = sum((n or 0) * rate for n, rate in zip(counts, (1.0, 5.0, 0.1, 1.25), strict=True)) / 1e6
    return Cost(usd=usd, basis=CostBasis.COMPUTED)


def test_savings_are_the_difference_to_the_same_turn_without_a_cache() -> None:
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=12_000, cache_creation_tokens=300)
    by_hand = (12_000 * (1.0 - 0.1) - 300 * (1.25 - 1.0)) / 1e6
    assert money.saved_usd(usage, price) == pytest.approx(by_hand)
    first = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=0, cache_creation_tokens=12_000)
    assert money.saved_usd(first, price) == pytest.approx(-12_000 * 0.25 / 1e6), "writing is dearer"


def test_a_break_wastes_what_had_to_be_written_again() -> None:
    record = replace(again(0, 12_300), cache=CacheAccount(expected_tokens=12_000, cause="unknown"))
    assert money.wasted_usd(record, 0, price) == pytest.approx(12_000 * (1.25 - 0.1) / 1e6)
    implicit = replace(again(0, None, fresh=12_300), cache=CacheAccount(expected_tokens=12_000, cause="unknown"))
    assert money.wasted_usd(implicit, 0, price) == pytest.approx(12_000 * (1.0 - 0.1) / 1e6)


def test_what_has_no_price_saves_and_wastes_nothing_known() -> None:
    assert money.saved_usd(FIRST.usage, lambda usage: None) is None
    assert money.saved_usd(Usage(), price) is None
    assert money.wasted_usd(replace(FIRST, cache=CacheAccount(expected_tokens=5)), 0, lambda usage: None) is None
