"""The command `review`: its options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from llm_gateway import Gateway


def options(parser: ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "range",
        nargs="?",
        metavar="RANGE",
        help="what git diff takes, such as main...HEAD (default: --uncommitted); or the word list: show your reviews",
    )
    add(
        "--with",
        dest="reviewers",
        metavar="A,B",
        help="the reviewers: providers, or provider:model (default: the agents that are logged in, at most 3)",
    )
    add("--fix-with", metavar="PROVIDER", help="let this provider fix the findings, until the reviewers approve")
    add("--uncommitted", action="store_true", help="review what is not committed, new files among it")
    add("--files", nargs="+", metavar="FILE", help="review these files as they are")
    add("--instructions", metavar="TEXT", help="what to look at")
    add("--quorum", type=int, metavar="N", help="approvals needed (default: all)")
    add("--rounds", type=int, metavar="N", help="with --fix-with: rounds at most (default: 3)")
    add("--posture", help="with --fix-with: what it may do (default: accept_edits)")
    add("--timeout", metavar="TIME", help="of each agent's turn: 90s, 10m, 1h")
    add("--dir", metavar="PATH", help="where (default: here)")
    add("--strict", action="store_true", help="an approval with conditions counts as not approved")
    add("--format", default="text", choices=("text", "json", "markdown", "github", "sarif"))
    add("--json", action="store_const", const="json", dest="format", help="as --format json")
    add(
        "--id",
        metavar="REVIEW",
        help="wait for this review, or show it (its id, the beginning of it, or last), instead of beginning one",
    )
    add("--cancel", action="store_true", help="with --id: end this review and its agents")
    add("--limit", type=int, metavar="N", help="with list: how many at most, newest first (default: 20)")


async def _work(gateway: Gateway, given: Namespace) -> int:
    from llm_gateway_extension_review.command import work

    return await work(gateway, given)


def _list_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("-n", "--limit", type=int, metavar="N", help="how many at most (default: 20)")
    add("-w", "--wide", action="store_true", help="whole ids, all columns, lines of any length")
    add("--json", action="store_true", help="print JSON for programs")


async def _list(gateway: Gateway, given: Namespace) -> int:
    from llm_gateway_extension_review.command import show_list

    return await show_list(gateway, limit=given.limit, as_json=given.json, wide=given.wide)


REVIEW = Command(
    name="review",
    help="Have agents review a change. Exit code 0: approved, 1: not approved, 5: too few valid verdicts.",
    options=options,
    examples=(
        "llm-gateway review",
        "llm-gateway review main...HEAD --with claude,codex --quorum 1",
        "llm-gateway review --fix-with claude --rounds 3",
        "llm-gateway review --id rv-1a22bf7b60a --cancel",
    ),
    work=_work,
)
REVIEWS = Command(
    name="reviews",
    help="List your reviews, newest first.",
    options=_list_options,
    examples=("llm-gateway reviews", "llm-gateway reviews --limit 5 --json"),
    work=_list,
)
