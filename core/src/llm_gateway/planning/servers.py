"""Choose the MCP servers of a run. Pure, except for the check whether a command exists."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from llm_gateway.errors import UnknownMcpServer
from llm_gateway.model.request import McpServer
from llm_gateway.programs import find_executable, starts_gateway


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
    known = {name: server for name in wanted if (server := registry.get(name)) and _available(server, environ)}
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


def _available(server: McpServer, environ: Mapping[str, str]) -> bool:
    return bool(server.url) or find_executable(server.command, environ) is not None
