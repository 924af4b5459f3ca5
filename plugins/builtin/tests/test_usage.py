"""Sums, rates and percentiles of turns."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from llm_gateway import CacheAccount, Cost, CostBasis, JobId, Posture, Record, Usage
from llm_gateway_extension_builtin.records.usage import percentile, usage_report, usage_view

NOW = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def turn(number: int, **more: Any) -> Record:
    given = {"provider": "echo", "duration_s": 1.0, "outcome": "completed", "started_at": NOW, **more}
    return Record(
        job_id=JobId(f"job-{number}"),
        principal="local",
        correlation_id="c",
        posture=Posture.PROMPTED,
        ended_at=NOW,
        **given,
    )


def test_a_sum_has_the_known_values_and_says_of_how_many_turns() -> None:
    known = Cost(usd=0.25, basis=CostBasis.REPORTED)
    view = usage_view(
        [
            turn(1, usage=Usage(output_tokens=3, cache_read_tokens=0), cost=known),
            turn(2, usage=Usage(output_tokens=4, cache_read_tokens=9), cost=known, cache=CacheAccount(saved_usd=-0.5)),
            turn(3, outcome="failed", cache=CacheAccount(cause="ttl_passed", wasted_usd=0.1)),
        ]
    )
    assert (view["turns"], view["completed"], view["turnsWithTokens"], view["turnsWithCost"]) == (3, 2, 2, 2)
    assert (view["inputTokens"], view["outputTokens"], view["cacheReadTokens"]) == (None, 7, 9)
    assert (view["costUsd"], view["hitRate"], view["savedUsd"], view["wastedUsd"]) == (0.5, 0.5, -0.5, 0.1)
    assert (view["cacheBreaks"], view["costBasis"]) == (1, {"reported": 2, "unknown": 1})


@pytest.mark.parametrize(
    ("values", "percent", "value"),
    [([], 50, None), ([7], 95, 7), ([1, 2, 3, 4], 50, 2), (list(range(1, 101)), 95, 95), ([1, 2], 95, 2)],
)
def test_a_percentile_is_one_of_the_values(values: list[int], percent: int, value: int | None) -> None:
    assert percentile(values, percent) == value


def test_groups_are_ordered_by_cost_and_days_by_date() -> None:
    dear, cheap = (Cost(usd=usd, basis=CostBasis.COMPUTED) for usd in (2.0, 1.0))
    records = [
        turn(1, provider="cheap", cost=cheap, started_at=NOW.replace(day=3)),
        turn(2, provider="dear", cost=dear),
        turn(3, provider="unknown"),
    ]
    places = {"job-1": "/a", "job-2": "/b"}

    def keys(by: str) -> list[str | None]:
        return [group["key"] for group in usage_report(records, by, places, NOW, complete=True)["groups"]]

    assert keys("provider") == ["dear", "cheap", "unknown"]
    assert keys("directory") == ["/b", "/a", None]
    assert keys("day") == sorted(keys("day"), key=str)
