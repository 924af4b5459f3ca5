"""The command `cache`: its options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from llm_gateway import Gateway


def _options(cache: ArgumentParser) -> None:
    cache.set_defaults(verb="show")
    cache.add_argument("--days", type=int, default=30, metavar="N", help="the last N days (default: 30); 1 shows hours")
    text = "Explain a conversation turn by turn."
    explain = cache.add_subparsers(metavar="VERB").add_parser(
        "explain",
        help="explain a conversation turn by turn",
        description=text,
        epilog=cache.epilog,
        formatter_class=cache.formatter_class,
    )
    explain.set_defaults(verb="explain")
    explain.add_argument("session", metavar="SESSION", help="an id gw-… or the provider's session id")
    for parser in (cache, explain):
        parser.add_argument("--json", action="store_true", help="print JSON for programs")


async def _work(gateway: Gateway, options: Namespace) -> int:
    from llm_gateway_extension_builtin.cache.charts import work

    return await work(gateway, options)


CACHE = Command(
    name="cache",
    help="Show how well prompt caches are used, and the money saved and wasted.",
    options=_options,
    examples=(
        "llm-gateway cache",
        "llm-gateway cache --days 1",
        "llm-gateway cache explain gw-419d01b1efcaab7cb804cc35ff82d2e7",
    ),
    work=_work,
)
