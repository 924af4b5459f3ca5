"""Commands that plugins bring."""

from __future__ import annotations

import argparse
import os

from llm_gateway import Command
from llm_gateway.cli.parser import known
from llm_gateway.cli.running import log_to_stderr, with_gateway
from llm_gateway.operations.surface import first_owners
from llm_gateway.plugins import PluginHost


def commands(parser: argparse.ArgumentParser) -> list[Command]:
    """Load the extensions and ask them; a name that is taken stays with who has it."""
    log_to_stderr()
    host = PluginHost.discover(os.environ)
    host.load(("extension",))
    return usable(host, parser)


def usable(host: PluginHost, parser: argparse.ArgumentParser) -> list[Command]:
    """The commands that loaded plugins bring; what is wrong with one is reported to the host."""
    right = []
    for plugin, command in host.commands():
        if (command.run is None) == (command.work is None):
            host.report(plugin, f"the command {command.name} must have exactly one of run and work")
        else:
            right.append((plugin, command))
    found = first_owners(host, "the command", right, taken=known(parser))
    return [found[name] for name in sorted(found)]


def run(arguments: argparse.Namespace) -> int:
    """Carry out a command that a plugin brought."""
    command: Command = arguments.command
    if command.run is not None:
        return command.run(arguments)
    work = command.work
    assert work
    return with_gateway(lambda gateway: work(gateway, arguments))
