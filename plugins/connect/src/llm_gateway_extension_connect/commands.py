"""The commands `connect` and `disconnect`: their options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from llm_gateway import Gateway

CLIENTS = ("claude", "codex", "gemini", "grok", "vibe", "cursor", "vscode")


async def _connect(gateway: Gateway, arguments: Namespace) -> int:
    from llm_gateway_extension_connect.changing import connect

    return await connect(gateway, arguments)


def _disconnect(arguments: Namespace) -> int:
    from llm_gateway_extension_connect.changing import disconnect

    return disconnect(arguments)


def _which(parser: ArgumentParser) -> None:
    parser.add_argument("client", metavar="CLIENT", choices=CLIENTS, nargs="?", help=", ".join(CLIENTS))
    parser.add_argument("--all", action="store_true", help="every assistant of this machine")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")


def _how(parser: ArgumentParser) -> None:
    _which(parser)
    parser.add_argument(
        "--trust", action="store_true", help="let it call the gateway's tools without asking (codex, gemini)"
    )
    parser.add_argument("--no-skill", action="store_true", help="do not change its skills")


CONNECT = Command(
    name="connect",
    help="Register this gateway in an assistant.",
    options=_how,
    examples=("llm-gateway connect claude", "llm-gateway connect --all --dry-run"),
    work=_connect,
)
DISCONNECT = Command(
    name="disconnect",
    help="Take this gateway out of an assistant.",
    options=_which,
    examples=("llm-gateway disconnect claude", "llm-gateway disconnect --all --dry-run"),
    run=_disconnect,
)
