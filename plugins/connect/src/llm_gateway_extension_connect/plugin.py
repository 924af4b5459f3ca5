"""The commands `llm-gateway connect` and `llm-gateway disconnect`. What they need is imported when they are used."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from llm_gateway import Command, Gateway, hookimpl

CLIENTS = ("claude", "codex", "gemini", "grok", "vibe", "cursor", "vscode")


async def _connect(gateway: Gateway, arguments: argparse.Namespace) -> int:
    from llm_gateway_extension_connect.changing import connect

    return await connect(gateway, arguments)


def _disconnect(arguments: argparse.Namespace) -> int:
    from llm_gateway_extension_connect.changing import disconnect

    return disconnect(arguments)


def _which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("client", metavar="CLIENT", choices=CLIENTS, help=", ".join(CLIENTS))
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")


def _how(parser: argparse.ArgumentParser) -> None:
    _which(parser)
    parser.add_argument(
        "--trust", action="store_true", help="let it call the gateway's tools without asking (codex, gemini)"
    )
    parser.add_argument("--no-skill", action="store_true", help="do not change its skills")


@hookimpl
def gateway_commands() -> Sequence[Command]:
    """The two commands."""
    return [
        Command(name="connect", help="Register this gateway in an assistant.", options=_how, work=_connect),
        Command(name="disconnect", help="Take this gateway out of an assistant.", options=_which, run=_disconnect),
    ]
