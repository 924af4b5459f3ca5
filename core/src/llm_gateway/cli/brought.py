"""Commands that plugins bring."""

from __future__ import annotations

import argparse
import os

from llm_gateway import Command
from llm_gateway.cli.parser import knows
from llm_gateway.cli.running import log_to_stderr, with_gateway
from llm_gateway.plugins import PluginHost


def commands(parser: argparse.ArgumentParser) -> list[Command]:
    """Load the extensions and ask them; a name that is taken stays with who has it."""
    log_to_stderr()
    host = PluginHost.discover(os.environ)
    host.load(("extension",))
    found: dict[str, Command] = {}
    for plugin, command in host.commands():
        if command.name in found or knows(parser, command.name):
            host.report(plugin, f"the command {command.name} exists already")
        elif (command.run is None) == (command.work is None):
            host.report(plugin, f"the command {command.name} must have exactly one of run and work")
        else:
            found[command.name] = command
    return [found[name] for name in sorted(found)]


def run(arguments: argparse.Namespace) -> int:
    """Carry out a command that a plugin brought."""
    command: Command = arguments.command
    if command.run is not None:
        return command.run(arguments)
    work = command.work
    assert work
    return with_gateway(lambda gateway: work(gateway, arguments))
