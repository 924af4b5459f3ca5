"""Choose the MCP servers of a run. Pure, except for the search for their commands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_gateway.errors import UnknownMcpServer
from llm_gateway.installations import npm_prefix
from llm_gateway.model.request import McpServer
from llm_gateway.programs import find_executable, starts_gateway
from llm_gateway.version_managers import ShimError, command_of


def choose_servers(
    named: Sequence[str] | None,
    default: Sequence[str],
    registry: Mapping[str, McpServer],
    *,
    held: bool,
    environ: Mapping[str, str] = os.environ,
) -> tuple[tuple[McpServer, ...], Mapping[str, Any]]:
    """Return the servers for the run, and the answer's `mcpServers` object.

    An unavailable default is left out and noted. An unavailable server that the caller named raises UnknownMcpServer. This gateway
    itself is never a default: a run may call it again only if the caller named it.

    :param named: the servers that the caller named; None: the default.
    :param environ: the gateway's environment. Commands are searched on its PATH.
    :param held: whether the provider supports MCP servers; if not, they are only noted (`trackingOnly`).
    """
    others = [name for name in default if not _is_gateway(registry.get(name))]
    wanted = list(dict.fromkeys(named if named is not None else others))
    found = {name: _found(registry.get(name), environ) for name in wanted}
    known = {name: server for name, server in found.items() if server is not None}
    missing = [name for name in wanted if name not in known]
    if named is not None and missing:
        have = ", ".join(sorted(registry)) or "none"
        setups = [f"{name}: {registry[name].setup}" for name in missing if name in registry and registry[name].setup]
        raise UnknownMcpServer(
            f"MCP server {', '.join(missing)} is not registered, or its command is not installed",
            recovery=" ".join([*setups, f"Registered: {have}. [mcp_servers.<name>] in the settings adds one."]),
        )
    report = {"requested": wanted, "enabled": list(known) if held else [], "missing": missing, "trackingOnly": not held}
    return (tuple(known.values()) if held else ()), report


def _is_gateway(server: McpServer | None) -> bool:
    return server is not None and starts_gateway(server.command, server.args)


def independent(server: McpServer, environ: Mapping[str, str]) -> McpServer:
    """Return a server whose command runs the same program in every directory. Blocking. Raises ShimError.

    An agent starts its servers in the repository, whose files could choose the program: by a version manager's shim, or by npx, which
    runs a program of the project's `node_modules` and asks the registry of its `.npmrc`, unless it has another prefix.
    """
    program = find_executable(server.command, environ)
    return server if program is None else _independent(server, program, environ)


def _independent(server: McpServer, program: str, environ: Mapping[str, str]) -> McpServer:
    command, *first = command_of(program, environ)
    args = (*first, *server.args)
    if os.path.basename(program) == "npx" and not any(word.startswith(("--prefix", "-C")) for word in server.args):
        args = (*first, "--prefix", npm_prefix(program, environ), *server.args)
    return replace(server, command=server.command if command == program else command, args=args)


def _found(server: McpServer | None, environ: Mapping[str, str]) -> McpServer | None:
    """Return a server that can be started; None: it is unknown, or its command is not installed."""
    if server is None or server.url:
        return server
    program = find_executable(server.command, environ)
    try:
        return None if program is None else _independent(server, program, environ)
    except ShimError:
        return None
