"""Which MCP servers a run is given. Pure but for looking whether a command exists."""

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
    """The servers to give, and the answer's `mcpServers` object.

    An unavailable default is left out with a note, an unavailable server that the caller named raises UnknownMcpServer. This
    gateway itself is never a default: a run that may call it again must have been given it by name.

    :param named: what the caller asked for; None: the default.
    :param environ: the gateway's, whose PATH says where commands are.
    :param held: whether the provider can be given MCP servers at all; if not, they are only noted (`trackingOnly`).
    """
    spared = [name for name in default if not _is_gateway(registry.get(name))]
    wanted = list(dict.fromkeys(named if named is not None else spared))
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
