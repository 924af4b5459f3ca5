"""`llm-gateway usage` and `usage://…`: what turns used and cost."""

from __future__ import annotations

import csv
import io

import pytest

COMMAND_PLUGINS = "echo,operations,git,records,cache"


@pytest.fixture
def used(command):
    """A home with two turns, one of which failed."""
    command.environ["LLM_GATEWAY_PLUGINS"] = COMMAND_PLUGINS
    assert command.run("ask", "echo", "one two three").returncode == 0
    assert command.run("ask", "echo", "fails", "--param", "scenario=crash").returncode == 1
    return command


def test_what_was_used_is_added_up_and_the_unknown_stays_unknown(used) -> None:
    found = used.json("usage")
    asked = used.json("log", "--search", "one")["turns"][0]
    total = found["total"]
    assert (total["turns"], total["completed"], found["complete"]) == (2, 1, True)
    assert (total["turnsWithCost"], total["costUsd"]) == (1, asked["costUsd"])
    assert total["costBasis"] == {"reported": 1, "unknown": 1}
    assert (total["turnsWithTokens"], total["outputTokens"]) == (1, asked["outputTokens"])
    assert [group["key"] for group in found["groups"]] == ["echo"]
    shown = used.run("usage").stdout
    assert "+" in shown
    assert "the cost of 1 turns is not known" in shown


@pytest.mark.parametrize("by", ["provider", "model", "directory", "session", "day"])
def test_every_grouping_has_all_turns(used, by: str) -> None:
    found = used.json("usage", "--by", by)
    assert sum(group["turns"] for group in found["groups"]) == found["total"]["turns"] == 2
    rows = list(csv.DictReader(io.StringIO(used.run("usage", "--by", by, "--csv").stdout)))
    assert len(rows) == len(found["groups"]) + 1
    assert (rows[-1]["key"], rows[-1]["turns"]) == ("total", "2")


def test_only_turns_since_a_time_are_counted(used) -> None:
    assert used.json("usage", "--since", "2999-01-01")["total"]["turns"] == 0
    assert used.run("usage", "--since", "2999-01-01").stdout == "no turns in this time\n"
    assert used.json("usage", "--since", "1h")["total"]["turns"] == 2


def test_nothing_known_is_nothing_said(command) -> None:
    command.environ["LLM_GATEWAY_PLUGINS"] = COMMAND_PLUGINS
    assert command.run("ask", "echo", "fails", "--param", "scenario=crash").returncode == 1
    total = command.json("usage")["total"]
    unknown = ("inputTokens", "outputTokens", "costUsd", "hitRate", "savedUsd", "wastedUsd")
    assert {name: total[name] for name in unknown} == dict.fromkeys(unknown)
    (row, _) = csv.DictReader(io.StringIO(command.run("usage", "--csv").stdout))
    assert [row[name] for name in unknown] == [""] * len(unknown)
