"""The page about approvals says what the table of rules says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_gateway_policy_managed import places, rules

pytestmark = pytest.mark.docs

PAGE = (Path(__file__).parents[2] / "docs/explanation/approvals.md").read_text("utf-8")


def test_every_rule_stands_on_the_page_with_its_consequences() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (\w+) \| (.+) \|$", PAGE, re.M)
    table = [
        (rule.name, *(rule.at(one).name.lower() for one in ("strict", "balanced", "permissive")))
        for rule in rules.RULES
    ]
    assert [row[:4] for row in told] == table
    assert all(len(row[4]) > 20 for row in told)


def test_the_page_names_the_same_bounds() -> None:
    assert "above four hours" in PAGE
    assert rules.LONG_S == 4 * 3600
    assert f"above {rules.DEAR_USD:g}." in PAGE
    for place in ("~/.ssh", "~/.aws"):
        assert place in PAGE
        assert place.removeprefix("~/") in places.PRIVATE
    for name in ("LD_PRELOAD", "NODE_OPTIONS"):
        assert name in rules.INJECTING
