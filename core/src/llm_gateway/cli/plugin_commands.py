"""Commands of plugins."""

from __future__ import annotations

import argparse
import os

from llm_gateway import Command
from llm_gateway.cli.parser import command_names
from llm_gateway.cli.running import log_to_stderr, with_gateway
from llm_gateway.operations.surface import first_owners
from llm_gateway.plugins import PluginHost


def commands(parser: argparse.ArgumentParser) -> list[Command]:
    """Load the extensions and return their commands. A command with a name that exists already is left out."""
    log_to_stderr()
    host = PluginHost.discover(os.environ)
    host.load(("extension",))
    return usable(host, parser)


def usable(host: PluginHost, parser: argparse.ArgumentParser) -> list[Command]:
    """Return the valid commands of the loaded plugins. Problems are reported to the host."""
    valid = []
    for plugin, command in host.commands():
        if (command.run is None) == (command.work is None):
            host.report(plugin, f"the command {command.name} must have exactly one of run and work")
        else:
            valid.append((plugin, command))
    found = first_owners(host, "the command", valid, taken=command_names(parser))
    return [found[name] for name in sorted(found)]


def run(arguments: argparse.Namespace) -> int:
    """Run a command of a plugin."""
    command: Command = arguments.command
    if command.run is not None:
        return command.run(arguments)
    work = command.work
    assert work
    return with_gateway(lambda gateway: work(gateway, arguments))
