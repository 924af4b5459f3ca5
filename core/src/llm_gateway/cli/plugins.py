"""`llm-gateway plugins`: list every installed plugin. Opens no store and no engine."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from typing import Any

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.hook_commands import usable
from llm_gateway.cli.installed import InstalledCommands
from llm_gateway.cli.running import log_to_stderr
from llm_gateway.cli.screen import say, say_json, table
from llm_gateway.entry_points import KINDS
from llm_gateway.operations.requests import RESERVED
from llm_gateway.operations.surface import collect
from llm_gateway.plugins import PluginError, PluginHost, PluginRecord
from llm_gateway.settings import SettingsError, load_settings


def run(options: argparse.Namespace) -> int:
    """Run the subcommand. Every plugin is loaded, so that its problems are found."""
    log_to_stderr()
    host = PluginHost.discover(os.environ, reserved=RESERVED)
    host.load(KINDS)
    installed = InstalledCommands(os.environ)
    installed.load_all()
    _find_conflicts(host, installed)
    problems = [*host.problems, *installed.problems]
    if options.json:
        say_json({"plugins": [_shown(record) for record in host.records], "problems": problems})
        return Exit.OK
    rows = [
        (record.kind, record.name, record.state.value, record.distribution, record.version, _hooks(record.hooks))
        for record in host.records
    ]
    table(("KIND", "NAME", "STATE", "DISTRIBUTION", "VERSION", "HOOKS"), rows, state_column=2)
    for problem in problems:
        say(f"problem: {problem}")
    return Exit.OK


def _find_conflicts(host: PluginHost, installed: InstalledCommands) -> None:
    """Collect what the plugins define, so that the host reports names that are used twice. Needs valid settings."""
    with suppress(SettingsError, PluginError):
        settings = load_settings(os.environ, host.settings_sections())
        host.require_policies(settings.approval.required_policies)
        host.configure(settings.plugins, settings.provider_options)
        collect(host)
        usable(host, installed)


def _shown(record: PluginRecord) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "module": record.entry_point.value if record.entry_point else "",
        "hooks": record.hooks,
        "state": record.state,
        "problem": record.problem,
    }


def _hooks(names: tuple[str, ...]) -> str:
    return " ".join(name.removeprefix("gateway_") for name in names) or "-"
