"""`llm-gateway cache`: how well prompt caches are used, drawn; `cache explain`: a conversation turn by turn.

Everything is read from the resources of the cache plugin, as any client can.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.failures import UsageError
from llm_gateway.cli.running import with_gateway
from llm_gateway.cli.screen import say, say_json, styled, table
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.operation import CallContext

_STEPS = " ▁▂▃▄▅▆▇█"
_BAR = 20
_HASH = 12


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    return with_gateway(lambda gateway: (_explain if options.verb == "explain" else _show)(gateway, options))


async def _show(gateway: GatewayApi, options: argparse.Namespace) -> int:
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
    _grouped("PROVIDER", found["models"], lambda one: f"{one['provider']} {one['model'] or '?'}")
    _grouped("PREFIX", found["prefixes"], lambda one: one["hash"][:_HASH])
    _breaks(found["worstBreaks"])
    if prices:
        say(
            styled(
                f"\nmoney by {prices['list']}, whose newest price is of {prices['newestPriceOn']}", "dim", sys.stdout
            )
        )
    return Exit.OK


async def _explain(gateway: GatewayApi, options: argparse.Namespace) -> int:
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
            f"break: {turn['cacheBreak']}"
            if turn["cacheBreak"]
            else ""
            if turn["outcome"] == "completed"
            else turn["outcome"],
        )
        for number, turn in enumerate(found["turns"], 1)
    ]
    say(f"{found['sessionId']} ({found['provider']})")
    if not rows:
        say("no turns")
    table(head, rows)
    return Exit.OK


async def _read(gateway: GatewayApi, uri: str, otherwise: str) -> dict[str, Any]:
    if not any(resource.uri.startswith("cache-state:") for resource in gateway.resources):
        raise UsageError("the plugin `cache` is not loaded: install llm-gateway-extension-cache")
    try:
        _, text = await gateway.read(uri, CallContext())
    except LookupError:
        raise UsageError(otherwise) from None
    found: dict[str, Any] = json.loads(text)
    return found


async def _prices(gateway: GatewayApi) -> dict[str, Any] | None:
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
        f"{_tokens(found['inputTokens'])} sent anew; cost {_usd(found['costUsd'])}, saved {_usd(found['estimatedSavingsUsd'])}"
    )
    if found["cacheBreaks"]:
        causes = ", ".join(f"{name} {number}" for name, number in found["cacheBreakCauses"].items())
        say(
            styled(
                f"{found['cacheBreaks']} cache breaks wasted {_usd(found['wastedUsd'])}: {causes}", "yellow", sys.stdout
            )
        )


def _over_time(found: dict[str, Any]) -> None:
    steps = found["steps"]
    line = "".join(_spark(step["hitRate"]) for step in steps)
    what = "hour" if found["stepHours"] == 1 else "day"
    say(
        f"\nhit rate by {what} with turns  {_time(steps[0]['from'])} {styled(line, 'green', sys.stdout)} {_time(steps[-1]['from'])}"
    )


def _grouped(title: str, groups: list[dict[str, Any]], name: Any) -> None:
    if not groups:
        return
    say("")
    head = (title, "TURNS", "HIT RATE", "", "READ", "WRITTEN", "COST", "SAVED", "BREAKS", "WASTED")
    rows = [
        (
            name(one),
            one["requests"],
            _percent(one["hitRate"]),
            _bar(one["hitRate"], _BAR // 2),
            _tokens(one["tokensRead"]),
            _tokens(one["tokensWritten"]),
            _usd(one["costUsd"]),
            _usd(one["estimatedSavingsUsd"]),
            one["cacheBreaks"] or None,
            _usd(one["wastedUsd"]),
        )
        for one in groups
    ]
    table(head, rows)


def _breaks(breaks: list[dict[str, Any]]) -> None:
    if not breaks:
        return
    say("")
    head = ("WORST BREAKS", "PROVIDER", "EXPECTED", "READ", "WASTED", "CAUSE", "SESSION")
    rows = [
        (
            _time(one["at"]),
            one["provider"],
            _tokens(one["expectedTokens"]),
            _tokens(one["actualTokens"]),
            _usd(one["wastedUsd"]),
            one["cause"],
            one["gatewaySessionId"],
        )
        for one in breaks
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
    for size, unit in ((1_000_000, "M"), (10_000, "k")):
        if number >= size:
            return f"{number / min(size, 1_000 if unit == 'k' else size):.1f}{unit}"
    return f"{number:,}"


def _usd(amount: float | None) -> str | None:
    return None if amount is None else f"${amount:.4f}" if abs(amount) < 1 else f"${amount:,.2f}"


def _time(stamp: str) -> str:
    return stamp[:16].replace("T", " ")
