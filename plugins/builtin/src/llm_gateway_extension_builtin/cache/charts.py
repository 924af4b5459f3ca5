"""`llm-gateway cache`: charts of how well prompt caches are used. `cache explain`: the turns of one conversation.

All data comes from the resources of the cache plugin, which MCP clients can read too.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from llm_gateway import CallContext, Exit, Gateway, UsageError, say, say_json, styled, table

_STEPS = " ▁▂▃▄▅▆▇█"
_BAR = 20
_HASH = 12


async def work(gateway: Gateway, options: argparse.Namespace) -> int:
    """Run the subcommand."""
    return await (_explain if options.verb == "explain" else _show)(gateway, options)


async def _show(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await _read(
        gateway, f"cache-state://history/{options.days}", f"--days must be 1 to 366, not {options.days}"
    )
    prices = await _prices(gateway)
    if options.json:
        say_json({**found, "prices": prices})
        return Exit.OK
    if not found["requests"]:
        say(f"no turns since {_time(found['since'])}")
        return Exit.OK
    _summary(found, options.days)
    _over_time(found)
    _grouped("PROVIDER", found["models"], lambda group: f"{group['provider']} {group['model'] or '?'}")
    _grouped("PREFIX", found["prefixes"], lambda group: group["hash"][:_HASH])
    _breaks(found["worstBreaks"])
    if prices:
        source = f"\nprices: {prices['list']}, newest price of {prices['newestPriceOn']}"
        say(styled(source, "dim", sys.stdout))
    return Exit.OK


async def _explain(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await _read(gateway, f"cache-state://turns/{options.session}", f"there is no session {options.session}")
    if options.json:
        say_json(found)
        return Exit.OK
    head = ("TURN", "STARTED", "MODEL", "EXPECTED", "READ", "WRITTEN", "INPUT", "SAVED", "WASTED", "WHY")
    rows = [
        (
            number,
            _time(turn["startedAt"]),
            turn["model"],
            _tokens(turn["expectedTokens"]),
            _tokens(turn["cacheReadTokens"]),
            _tokens(turn["cacheCreationTokens"]),
            _tokens(turn["inputTokens"]),
            _usd(turn["savedUsd"]),
            _usd(turn["wastedUsd"]),
            _why(turn),
        )
        for number, turn in enumerate(found["turns"], 1)
    ]
    say(f"{found['sessionId']} ({found['provider']})")
    if not rows:
        say("no turns")
    table(head, rows)
    return Exit.OK


def _why(turn: dict[str, Any]) -> str:
    if turn["cacheBreak"]:
        return f"break: {turn['cacheBreak']}"
    if turn["outcome"] == "completed":
        return ""
    return str(turn["outcome"])


async def _read(gateway: Gateway, uri: str, if_missing: str) -> dict[str, Any]:
    if not any(resource.uri.startswith("cache-state:") for resource in gateway.resources):
        raise UsageError("the plugin `cache` is not loaded: it is part of llm-gateway-extension-builtin")
    try:
        _, text = await gateway.read(uri, CallContext())
    except LookupError:
        raise UsageError(if_missing) from None
    found: dict[str, Any] = json.loads(text)
    return found


async def _prices(gateway: Gateway) -> dict[str, Any] | None:
    try:
        _, text = await gateway.read("prices://list", CallContext())
    except LookupError:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def _summary(found: dict[str, Any], days: int) -> None:
    rate = found["hitRate"]
    say(f"{styled(_percent(rate), 'bold', sys.stdout)} of {found['requests']:,} turns read from a cache  {_bar(rate)}")
    span = "24 hours" if days == 1 else f"{days} days"
    say(
        f"last {span}: {_tokens(found['tokensRead'])} tokens read, {_tokens(found['tokensWritten'])} written, "
        f"{_tokens(found['inputTokens'])} sent without cache; cost {_usd(found['costUsd'])}, saved {_usd(found['estimatedSavingsUsd'])}"
    )
    if found["cacheBreaks"]:
        causes = ", ".join(f"{name} {number}" for name, number in found["cacheBreakCauses"].items())
        breaks = f"{found['cacheBreaks']} cache breaks wasted {_usd(found['wastedUsd'])}: {causes}"
        say(styled(breaks, "yellow", sys.stdout))


def _over_time(found: dict[str, Any]) -> None:
    steps = found["steps"]
    line = "".join(_spark(step["hitRate"]) for step in steps)
    unit = "hour" if found["stepHours"] == 1 else "day"
    first, last = _time(steps[0]["from"]), _time(steps[-1]["from"])
    say(f"\nhit rate per {unit} with turns  {first} {styled(line, 'green', sys.stdout)} {last}")


def _grouped(title: str, groups: list[dict[str, Any]], name: Any) -> None:
    if not groups:
        return
    say("")
    head = (title, "TURNS", "HIT RATE", "", "READ", "WRITTEN", "COST", "SAVED", "BREAKS", "WASTED")
    rows = [
        (
            name(group),
            group["requests"],
            _percent(group["hitRate"]),
            _bar(group["hitRate"], _BAR // 2),
            _tokens(group["tokensRead"]),
            _tokens(group["tokensWritten"]),
            _usd(group["costUsd"]),
            _usd(group["estimatedSavingsUsd"]),
            group["cacheBreaks"] or None,
            _usd(group["wastedUsd"]),
        )
        for group in groups
    ]
    table(head, rows)


def _breaks(breaks: list[dict[str, Any]]) -> None:
    if not breaks:
        return
    say("")
    head = ("WORST BREAKS", "PROVIDER", "EXPECTED", "READ", "WASTED", "CAUSE", "SESSION")
    rows = [
        (
            _time(item["at"]),
            item["provider"],
            _tokens(item["expectedTokens"]),
            _tokens(item["actualTokens"]),
            _usd(item["wastedUsd"]),
            item["cause"],
            item["gatewaySessionId"],
        )
        for item in breaks
    ]
    table(head, rows)


def _bar(share: float | None, width: int = _BAR) -> str:
    full = round((share or 0.0) * width)
    return "█" * full + "░" * (width - full)


def _spark(share: float | None) -> str:
    return "·" if share is None else _STEPS[max(1, round(share * (len(_STEPS) - 1)))]


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"


def _tokens(number: int | None) -> str | None:
    if number is None:
        return None
    if number >= 1_000_000:
        return f"{number / 1_000_000:.1f}M"
    if number >= 10_000:
        return f"{number / 1_000:.1f}k"
    return f"{number:,}"


def _usd(amount: float | None) -> str | None:
    if amount is None:
        return None
    if abs(amount) < 1:
        return f"${amount:.4f}"
    return f"${amount:,.2f}"


def _time(stamp: str) -> str:
    return stamp[:16].replace("T", " ")
