"""Subcommands that extensions add with the hook `gateway_commands`. Loads these extensions."""

from __future__ import annotations

import os
from collections.abc import Iterable

from llm_gateway.cli.installed import InstalledCommands, problem_of
from llm_gateway.cli.parser import FRAME
from llm_gateway.cli.running import log_to_stderr
from llm_gateway.model.command import Command
from llm_gateway.operations.surface import first_owners
from llm_gateway.plugins import PluginHost


def commands_of(installed: InstalledCommands, names: Iterable[str] | None = None) -> list[Command]:
    """Load extensions and return their commands. A command with a name that exists already is left out.

    :param names: the extensions; None: all that LLM_GATEWAY_PLUGINS does not leave out.
    """
    log_to_stderr()
    host = PluginHost.discover(os.environ)
    host.load(("extension",), names)
    return usable(host, installed)


def usable(host: PluginHost, installed: InstalledCommands) -> list[Command]:
    """Return the valid commands of the loaded plugins. Problems are reported to the host."""
    points = {record.key: record.entry_point for record in host.records}
    valid = []
    for plugin, command in host.commands():
        problem = problem_of(command)
        if problem:
            host.report(plugin, problem)
        elif not installed.declares(points[plugin], command.name):
            valid.append((plugin, command))
    found = first_owners(host, "the command", valid, taken=(*FRAME, *installed.names))
    return [found[name] for name in sorted(found)]
