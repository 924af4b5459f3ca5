"""The command `log`: its options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

import argparse

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from llm_gateway import Gateway


def _which(parser: ArgumentParser, count: int, **default: Any) -> None:
    given = default or {"default": count}
    parser.add_argument(
        "-q", "--search", metavar="WORDS", help="turns whose prompt or answer has these words", **default
    )
    parser.add_argument("-n", "--limit", type=int, metavar="N", help=f"how many at most (default: {count})", **given)
    parser.add_argument("--provider", metavar="NAME", help="only those of this provider", **default)
    parser.add_argument("--since", metavar="TIME", help="not older than this: 2h, 3d, 1w, 2026-11-30", **default)


def _list_form(parser: ArgumentParser, **default: Any) -> None:
    parser.add_argument("-w", "--wide", action="store_true", help="whole ids, lines of any length", **default)
    parser.add_argument("--json", action="store_true", help="print JSON for programs", **default)


def _options(log: ArgumentParser) -> None:
    log.set_defaults(verb="list")
    _which(log, 20)
    _list_form(log)
    verbs = log.add_subparsers(metavar="VERB")

    def add(name: str, text: str) -> ArgumentParser:
        short = text[:1].lower() + text[1:].rstrip(".")
        parser = verbs.add_parser(
            name, help=short, description=text, epilog=log.epilog, formatter_class=log.formatter_class
        )
        parser.set_defaults(verb=name)
        return parser

    listed = add("list", "List turns, newest first.")
    _which(listed, 20, default=argparse.SUPPRESS)
    _list_form(listed, default=argparse.SUPPRESS)
    shown = add("show", "Show prompt and answer of a turn.")
    shown.add_argument(
        "job", metavar="ID", nargs="?", default="last", help="a job's id, its beginning, or last (default)"
    )
    shown.add_argument("--json", action="store_true", help="print JSON for programs", default=argparse.SUPPRESS)
    export = add("export", "Write turns with prompt and answer to stdout, oldest first, without known secrets.")
    _which(export, 1000)
    export.add_argument(
        "--format",
        choices=("jsonl", "markdown"),
        default="jsonl",
        help="one JSON object a line, or a page (default: jsonl)",
    )


async def _work(gateway: Gateway, options: Namespace) -> int:
    from llm_gateway_extension_builtin.records.log import work

    return await work(gateway, options)


LOG = Command(
    name="log",
    help="Search and show what was asked and answered, as long as it is kept.",
    options=_options,
    examples=(
        "llm-gateway log",
        'llm-gateway log -q "race condition" --since 3d',
        "llm-gateway log show last",
        "llm-gateway log export --provider codex --format markdown",
    ),
    work=_work,
)


def _usage_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--by", choices=_GROUPINGS, default="provider", help=f"{', '.join(_GROUPINGS)} (default: provider)"
    )
    parser.add_argument("--since", metavar="TIME", help="not older than this: 2h, 3d, 1w, 2026-11-30 (default: 30d)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument("--csv", action="store_true", help="print a table for spreadsheets")


async def _usage(gateway: Gateway, options: Namespace) -> int:
    from llm_gateway_extension_builtin.records.usage_command import work

    return await work(gateway, options)


_GROUPINGS = ("provider", "model", "directory", "session", "day")
USAGE = Command(
    name="usage",
    help="Show what turns used and cost: tokens, dollars, cache hits, durations.",
    options=_usage_options,
    examples=("llm-gateway usage", "llm-gateway usage --by day --since 1w", "llm-gateway usage --by model --csv"),
    work=_usage,
)
