"""Subcommands of plugins: the parser that knows them, and how one runs.

A distribution declares them (`installed.py`), or an extension adds them with the hook `gateway_commands`. The hook is called if
no distribution declares the word, and for `--help`. Then extensions are loaded, which costs half a second of CPU.
"""

from __future__ import annotations

import os
import sys

from llm_gateway.cli.installed import InstalledCommands
from llm_gateway.cli.parser import build_parser
from llm_gateway.cli.quick import Quick
from llm_gateway.model.command import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def parser_for(word: str, installed: InstalledCommands) -> argparse.ArgumentParser:
    """Return the parser for a command line that begins with this word. It knows all commands for `--help` and for an unknown word."""
    asks_for_help = word in ("-h", "--help")
    if not asks_for_help:
        command = installed.load(word)
        if command is not None:
            return build_parser([command])
    declared = installed.load_all()
    for problem in installed.problems:
        print(f"llm-gateway: {problem}", file=sys.stderr)
    names = installed.strangers() if asks_for_help else None
    if names == []:
        return build_parser(declared)
    from llm_gateway.cli.hook_commands import commands_of

    return build_parser([*declared, *commands_of(installed, names)])


def every_command(environ: Mapping[str, str] = os.environ) -> argparse.ArgumentParser:
    """Return a parser that knows every command that is installed."""
    return parser_for("--help", InstalledCommands(environ))


def run(arguments: argparse.Namespace, installed: InstalledCommands) -> int:
    """Run a command of a plugin."""
    command: Command = arguments.command
    if command.run is not None:
        return command.run(arguments)
    if command.quick is not None:
        code = Quick(os.environ, installed.points).run(command.quick, arguments)
        if code is not None:
            return code
    from llm_gateway.cli.running import with_gateway

    work = command.work
    assert work
    return with_gateway(lambda gateway: work(gateway, arguments))
