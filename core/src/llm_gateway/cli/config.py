"""`llm-gateway config`: every key, its value and its source. Values that may be secret are masked."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from typing import Any

from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.cli.masking import masked_env, masked_url, plain
from llm_gateway.cli.running import log_to_stderr, log_warnings
from llm_gateway.cli.screen import say, say_json, table
from llm_gateway.naming import nearest
from llm_gateway.opening import find_plugins
from llm_gateway.settings import Settings
from llm_gateway.settings.keys import keys

_Row = tuple[str, Any, str]


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    if options.verb in ("path", "set", "edit"):
        from llm_gateway.cli import config_edit

        return config_edit.run(options)
    log_to_stderr()
    host, settings = find_plugins(os.environ)
    paths = [path for path, _ in keys(host.settings_sections())]
    rows = [(".".join(path), _masked(path, value), _source(settings, path)) for path, value in _values(settings, paths)]
    if options.verb == "get":
        return _get(options.key, rows)
    if options.json:
        say_json(
            {
                "home": str(settings.home),
                "configFile": str(settings.config_file),
                "configFileExists": settings.config_file.is_file(),
                "allowBypass": settings.allow_bypass,
                "depth": settings.depth,
                "warnings": list(settings.warnings),
                "keys": {key: {"value": value, "source": source} for key, value, source in rows},
            }
        )
        return Exit.OK
    log_warnings(settings)
    exists = "" if settings.config_file.is_file() else " (does not exist: every key has its default)"
    say(f"home    {settings.home}\nfile    {settings.config_file}{exists}\nbypass  {_as_json(settings.allow_bypass)}\n")
    table(("KEY", "VALUE", "FROM"), [(key, _as_json(value), source) for key, value, source in rows])
    return Exit.OK


def _get(key: str, rows: list[_Row]) -> int:
    """Print the value of one key: a string as it is, everything else as JSON."""
    found = {name: value for name, value, _ in rows}
    if key not in found:
        raise UsageError(f"there is no key {key}{nearest(key, found)}")
    value = found[key]
    say(value if isinstance(value, str) else _as_json(value))
    return Exit.OK


def _values(settings: Settings, paths: list[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every key with its value. A key with `<name>` is repeated for each name in the settings."""
    for path in paths:
        if path[:2] == ("mcp_servers", "<name>"):
            for name, server in settings.mcp_servers.items():
                yield ("mcp_servers", name, path[2]), getattr(server, path[2])
        elif path[:2] == ("providers", "<name>"):
            for name in sorted(settings.providers):
                yield ("providers", name, path[2]), getattr(settings.provider(name), path[2])
        elif path[0] == "providers":
            options = settings.options_of(path[1])
            if options is not None:
                yield path, getattr(options, path[2])
        elif path[0] in settings.plugins:
            yield path, getattr(settings.plugins[path[0]], path[1])
        else:
            value: Any = settings
            for part in path:
                value = getattr(value, part)
            yield path, value


def _masked(path: tuple[str, ...], value: Any) -> Any:
    if path[0] in ("providers", "mcp_servers") and path[-1] == "env":
        return masked_env(value)
    shown = plain(value)
    return masked_url(shown) if path[-1] == "url" and isinstance(shown, str) else shown


def _source(settings: Settings, path: tuple[str, ...]) -> str:
    key = ".".join(path)
    inner = [source for name, source in settings.sources.items() if name.startswith(f"{key}.")]
    return inner[0] if inner else settings.source(key)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
