"""`llm-gateway cache`."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _with_the_plugin(command) -> None:
    command.environ["LLM_GATEWAY_PLUGINS"] = "echo,operations,git,cache,pricing"


def test_without_turns_there_is_nothing_to_show(command) -> None:
    assert command.run("cache").stdout.startswith("no turns since ")


def test_rates_money_and_turns_are_drawn(command) -> None:
    first = command.json("ask", "echo", "begin " * 900)
    command.json("ask", "echo", "go on", "--session", first["gatewaySessionId"])
    drawn = command.run("cache", "--days", "1").stdout
    assert drawn.startswith("50% of 2 turns read from a cache  ██████████░░░░░░░░░░\n")
    assert "echo echo-1" in drawn
    assert "hour" in drawn
    assert "WORST BREAKS" not in drawn
    found = command.json("cache", "--days", "2")
    assert (found["requests"], found["hits"], found["stepHours"]) == (2, 1, 24)
    explained = command.run("cache", "explain", first["gatewaySessionId"]).stdout.splitlines()
    assert len(explained) == 4
    turns = command.json("cache", "explain", first["sessionId"])["turns"]
    assert turns[1]["cacheReadTokens"] >= turns[1]["expectedTokens"] > 1_000


def test_what_is_not_there_is_said(command) -> None:
    done = command.run("cache", "explain", "gw-nobody")
    assert (done.returncode, "there is no session gw-nobody" in done.stderr) == (2, True)
    assert command.run("cache", "--days", "0").returncode == 2
    done = command.run("cache", LLM_GATEWAY_PLUGINS="echo")
    assert "llm-gateway-extension-builtin" in done.stderr
