"""The command `demo`: its options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def _options(demo: ArgumentParser) -> None:
    demo.add_argument(
        "--with",
        action="append",
        default=[],
        dest="named",
        metavar="A,B",
        help="use these agents as reviewers: they really run, and may cost money",
    )
    demo.add_argument("--providers", metavar="A,B,C", help="the providers of the three reviewers")
    demo.add_argument("--home", metavar="PATH", help="use this home and keep it (default: a temporary one)")
    demo.add_argument("--json", action="store_true", help="print JSON for programs")


def _run(options: Namespace) -> int:
    from llm_gateway_extension_builtin.demo.demo import run

    return run(options)


DEMO = Command(
    name="demo",
    help=(
        "Three reviewers review a diff at once, the gateway is killed meanwhile, and nothing is lost. "
        "The provider echo imitates the reviewers: no account, no cost. Takes about ten seconds."
    ),
    options=_options,
    examples=("llm-gateway demo", "llm-gateway demo --with claude,codex"),
    run=_run,
)
