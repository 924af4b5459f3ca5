"""`llm-gateway usage`, and the resource `usage://…`."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from llm_gateway import (
    CallContext,
    Exit,
    Gateway,
    Resource,
    cost_text,
    for_stream,
    moment_of,
    say,
    say_json,
    styled,
    table,
)
from llm_gateway_extension_builtin.records.usage import GROUPINGS, usage_report

_DAYS = 30
#: How many of the newest turns a report looks at.
_MOST = 50_000


async def report(gateway: Gateway, by: str, since: datetime, context: CallContext) -> dict[str, Any]:
    """Return the report of the caller's ended turns since then."""
    newest = await gateway.store.list_records(principal=context.principal, limit=_MOST)
    records = [record for record in newest if record.started_at >= since]
    directories: dict[str, str] = {}
    if by == "directory":
        jobs = await gateway.store.list_jobs(principal=context.principal, limit=_MOST)
        directories = {job.id: job.working_dir for job in jobs}
    complete = len(newest) < _MOST or len(records) < len(newest)
    return usage_report(records, by, directories, since, complete=complete)


async def work(gateway: Gateway, options: argparse.Namespace) -> int:
    """Run the subcommand."""
    now = datetime.now(timezone.utc)
    since = moment_of(options.since, now) if options.since else now - timedelta(days=_DAYS)
    found = await report(gateway, options.by, since, CallContext())
    if options.json:
        say_json(found)
    elif options.csv:
        say(for_stream(_csv(found), sys.stdout))
    elif not found["total"]["turns"]:
        say("no turns in this time")
    else:
        _show(found)
    return Exit.OK


def _show(found: Mapping[str, Any]) -> None:
    by = found["by"]
    head = (by.upper(), "TURNS", "IN", "CACHED", "OUT", "HITS", "COST", "SAVED", "WASTED", "P50", "P95")
    groups = [(view["key"] or "unknown", view) for view in found["groups"]]
    rows = [
        (
            name,
            view["turns"],
            _tokens(view["inputTokens"]),
            _tokens(view["cacheReadTokens"]),
            _tokens(view["outputTokens"]),
            None if view["hitRate"] is None else f"{view['hitRate']:.0%}",
            _cost(view),
            _money(view["savedUsd"]),
            _money(view["wastedUsd"]),
            _seconds(view["p50DurationMs"]),
            _seconds(view["p95DurationMs"]),
        )
        for name, view in [*groups, ("total", found["total"])]
    ]
    table(head, rows, cut=0)
    total = found["total"]
    notes = [f"since {found['since'][:10]}; P50 and P95: durations in seconds, nearest rank"]
    if total["turnsWithCost"] < total["turns"]:
        notes.append(f"+: the cost of {total['turns'] - total['turnsWithCost']} turns is not known and not in the sums")
    if not found["complete"]:
        notes.append(f"only the newest {_MOST} turns are counted")
    for note in notes:
        say(styled(note, "dim", sys.stdout))


def _cost(view: Mapping[str, Any]) -> str | None:
    """Return a sum of costs; `+`: the cost of some turns is not known."""
    text = _money(view["costUsd"])
    return text if text is None or view["turnsWithCost"] == view["turns"] else f"{text}+"


def _money(usd: float | None) -> str | None:
    if usd is None or usd >= 0:
        return cost_text(usd)
    return f"-{cost_text(-usd)}"


def _tokens(count: int | None) -> str | None:
    if count is None or count < 10_000:
        return None if count is None else str(count)
    return f"{count / 1000:.0f}k" if count < 10_000_000 else f"{count / 1_000_000:.0f}M"


def _seconds(ms: int | None) -> str | None:
    return None if ms is None else f"{ms / 1000:.1f}"


def _csv(found: Mapping[str, Any]) -> str:
    """Return one line a group, and the total. An unknown value is an empty field."""
    rows = [{"key": view["key"] or "unknown", **view} for view in found["groups"]]
    rows.append({"key": "total", **found["total"]})
    out = io.StringIO()
    for row in rows:
        row["key"] = _harmless(row["key"])
        row["costBasis"] = " ".join(f"{name}={count}" for name, count in row["costBasis"].items())
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _harmless(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


async def _read(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    by = variables["by"]
    if by not in GROUPINGS:
        raise LookupError(f"usage can be grouped by {', '.join(GROUPINGS)}, not by {by}")
    since = datetime.now(timezone.utc) - timedelta(days=_DAYS)
    return json.dumps(await report(gateway, by, since, context))


USAGE_RESOURCES = [
    Resource(
        uri="usage://{by}",
        name="usage",
        description=f"Tokens, cost, cache hits and durations of the last {_DAYS} days by {', '.join(GROUPINGS)}.",
        read=_read,
    )
]
