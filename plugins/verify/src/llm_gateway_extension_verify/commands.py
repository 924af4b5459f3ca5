"""The command `verify`: its options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def _verify(arguments: Namespace) -> int:
    from llm_gateway_extension_verify.verifying import verify

    return verify(arguments)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("providers", metavar="PROVIDER", nargs="*", help="verify only these; default: all installed")
    parser.add_argument("--quick", action="store_true", help="only the checks that take seconds")
    parser.add_argument("--only", metavar="CHECK", action="append", help="only this check; posture:* for all of a kind")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the private folders, to look at what happened")
    parser.add_argument(
        "--record", metavar="CHECKOUT", help="for authors: write what was seen into a provider's source"
    )
    parser.add_argument("--list", action="store_true", help="only list the checks")


VERIFY = Command(
    name="verify",
    help="Prove offline that each installed CLI keeps what its plugin relies on.",
    options=_options,
    examples=("llm-gateway verify", "llm-gateway verify claude --quick", "llm-gateway verify --list"),
    run=_verify,
)
