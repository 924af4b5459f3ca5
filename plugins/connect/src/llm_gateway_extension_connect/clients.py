"""The assistants that can be connected: where each keeps its MCP servers and its skills. Measured with the real programs.

Their own `mcp add` is not used: Claude Code's and Gemini CLI's rewrite the whole file, Grok's drops the user's comments, Codex's
reformats lists, and none of them can be undone byte for byte.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_gateway_extension_connect.jsonc import JsonMap
from llm_gateway_extension_connect.server import Server
from llm_gateway_extension_connect.toml import TomlTable

NAME = "llm-gateway"
#: The first start of an installation imports everything. Clients with a shorter timeout get this one.
_START_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An assistant on this machine."""

    name: str
    title: str
    program: str  #: its command
    folder: Path  #: its own; there once it has run
    file: Path  #: where it keeps its MCP servers
    shape: JsonMap | TomlTable  #: how they stand there
    entry: Callable[[Server], dict[str, Any]]  #: the entry of our server, in the client's form
    skills: Path | None = None  #: where it looks for a user's skills
    trust: Mapping[str, Any] = field(default_factory=dict)  #: what makes it call our tools without asking
    reload: str = ""  #: how it loads the tools; empty: it is restarted


def clients(environ: Mapping[str, str], home: Path) -> dict[str, Client]:
    """All that we know, by name."""

    def at(variable: str, folder: str) -> Path:
        return Path(environ[variable]) if environ.get(variable) else home / folder

    claude, codex, grok = at("CLAUDE_CONFIG_DIR", ".claude"), at("CODEX_HOME", ".codex"), at("GROK_HOME", ".grok")
    gemini, vibe = at("GEMINI_CLI_HOME", "") / ".gemini", at("VIBE_HOME", ".vibe")
    code = _code(environ, home)
    known = (
        Client(
            name="claude",
            title="Claude Code",
            program="claude",
            folder=claude,
            file=(claude if environ.get("CLAUDE_CONFIG_DIR") else home) / ".claude.json",
            shape=JsonMap(key="mcpServers", name=NAME),
            entry=lambda server: {"type": "stdio", **_plain(server), "env": dict(server.env)},
            skills=claude / "skills",
        ),
        Client(
            name="codex",
            title="Codex",
            program="codex",
            folder=codex,
            file=codex / "config.toml",
            shape=TomlTable(key="mcp_servers", name=NAME),
            entry=lambda server: {
                **_plain(server),
                "startup_timeout_sec": _START_S,
                **_env(server),
                **({"env_vars": list(server.passed)} if server.passed else {}),
            },
            skills=codex / "skills",
            trust={"default_tools_approval_mode": "approve"},
        ),
        Client(
            name="gemini",
            title="Gemini CLI",
            program="gemini",
            folder=gemini,
            file=gemini / "settings.json",
            shape=JsonMap(key="mcpServers", name=NAME),
            entry=lambda server: {**_plain(server), **_env(server)},
            skills=gemini / "skills",
            trust={"trust": True},
        ),
        Client(
            name="grok",
            title="Grok",
            program="grok",
            folder=grok,
            file=grok / "config.toml",
            shape=TomlTable(key="mcp_servers", name=NAME),
            entry=lambda server: {
                **_plain(server),
                "enabled": True,
                "startup_timeout_sec": _START_S,
                **_env(server),
            },
            skills=grok / "skills",
        ),
        Client(
            name="vibe",
            title="Mistral Vibe",
            program="vibe",
            folder=vibe,
            file=vibe / "config.toml",
            shape=TomlTable(key="mcp_servers", name=NAME, array=True),
            entry=lambda server: {
                "name": NAME,
                "transport": "stdio",
                **_plain(server),
                "startup_timeout_sec": _START_S,
                **_env(server),
            },
            skills=vibe / "skills",
        ),
        Client(
            name="cursor",
            title="Cursor",
            program="cursor",
            folder=home / ".cursor",
            file=home / ".cursor/mcp.json",
            shape=JsonMap(key="mcpServers", name=NAME),
            entry=lambda server: {**_plain(server), **_env(server)},
        ),
        Client(
            name="vscode",
            title="Visual Studio Code",
            program="code",
            folder=code,
            file=code / "User/mcp.json",
            shape=JsonMap(key="servers", name=NAME),
            entry=lambda server: {"type": "stdio", **_plain(server), **_env(server)},
            reload="Run “MCP: List Servers” in it and start llm-gateway.",
        ),
    )
    return {client.name: client for client in known}


def _plain(server: Server) -> dict[str, Any]:
    return {"command": server.command, "args": list(server.args)}


def _env(server: Server) -> dict[str, Any]:
    return {"env": dict(server.env)} if server.env else {}


def _code(environ: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library/Application Support/Code"
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData/Roaming") / "Code"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "Code"
