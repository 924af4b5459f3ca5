"""MCP servers that a user has registered in an agent for himself, this gateway perhaps among them, and runs of the gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio


def register(agent: RealAgent, file: str, words: Callable[[str], str]) -> Path:
    """Register a server that notes its environment; the note."""
    server, note = agent.folder / "server.sh", agent.folder / "note"
    server.write_text(f"#!/bin/sh\nenv > {note}\nexec cat > /dev/null\n")
    server.chmod(0o755)
    path = agent.folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(words(str(server)))
    return note


def as_json(command: str) -> str:
    return json.dumps({"mcpServers": {"own": {"command": command, "args": []}}})


def as_toml(command: str) -> str:
    return f'[mcp_servers.own]\ncommand = "{command}"\nargs = []\n'


async def test_lesson_77_claude_starts_none_of_its_users_own_servers(claude: RealAgent) -> None:
    note = register(claude, "config/.claude.json", as_json)
    async with gateway_of(claude) as caller:
        assert (await caller.ask("SAY:x"))["text"] == "x"
    assert not note.exists()


async def test_lesson_77_codex_starts_none_of_its_users_own_servers(codex: RealAgent) -> None:
    note = register(codex, "config/config.toml", as_toml)
    async with gateway_of(codex) as caller:
        assert (await caller.ask("SAY:x"))["text"] == "x"
    assert not note.exists()


async def test_lesson_77_gemini_starts_none_of_its_users_own_servers(gemini: RealAgent) -> None:
    note = register(gemini, "home/.gemini/settings.json", as_json)
    async with gateway_of(gemini) as caller:
        assert (await caller.ask("SAY:x"))["text"] == "x"
    assert not note.exists()


async def test_lesson_77_grok_starts_none_of_its_users_own_servers(grok: RealAgent) -> None:
    note = register(grok, "grok/config.toml", as_toml)
    async with gateway_of(grok) as caller:
        assert (await caller.ask("SAY:x"))["text"] == "x"
    assert not note.exists()
