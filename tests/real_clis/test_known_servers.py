"""The servers that are known by name, given to each real program: programs of those names, which are ours, stand on the PATH."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio

MCP_SERVER = Path(__file__).with_name("tiny_mcp_server.py")
KEYS = {"exa-mcp-server": "EXA_API_KEY", "ref-tools-mcp": "REF_API_KEY", "trstr-mcp": "HOME"}
JAVASCRIPT = "async function main() { return await tools.mcp_ref_tools.whoami({}); }"
#: How each calls a tool of the server `ref_tools`, whose name has a sign that divides names.
CALLS = {
    "claude": "TOOL:mcp__ref_tools__whoami {}",
    "codex": "TOOL:exec "
    + json.dumps({"input": "const r = await tools.mcp__ref_tools__whoami({}); text(JSON.stringify(r))"}),
    "gemini": "TOOL:mcp_ref-tools_whoami {}",
    "grok": "TOOL:use_tool " + json.dumps({"tool_name": "ref_tools__whoami", "tool_input": {}}),
    "mistral": "TOOL:run_typescript " + json.dumps({"code": JAVASCRIPT}),
}


@pytest.mark.parametrize("name", CALLS)
async def test_servers_that_are_known_must_be_named_must_be_there_and_are_given(
    name: str, request: pytest.FixtureRequest
) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    more = {"mcpTools": ["ref_tools_whoami"]} if name == "mistral" else {}
    async with gateway_of(agent) as caller:
        absent = await caller.ask("SAY:x", mcpServers=["ref_tools", "trstr"])
    programs = agent.folder / "programs"
    programs.mkdir()
    for program, key in KEYS.items():
        (programs / program).write_text(f'#!/bin/sh\nTINY_SECRET="${key}" exec {sys.executable} {MCP_SERVER}\n')
        (programs / program).chmod(0o755)
    agent.environ["PATH"] = f"{programs}:{agent.environ['PATH']}"
    async with gateway_of(agent, REF_API_KEY="canary-4711", EXA_API_KEY="canary-4712") as caller:
        told = await caller.ask(CALLS[name], mcpServers=["exa", "ref_tools", "trstr"], **more)
    assert absent["error"]["code"] == "unknown_mcp_server"
    assert "REF_API_KEY" in absent["error"]["recovery"]
    assert "the secret has 11 letters" in told["text"], told
    assert told["mcpServers"] == {
        "requested": ["exa", "ref_tools", "trstr"],
        "enabled": ["exa", "ref_tools", "trstr"],
        "missing": [],
        "trackingOnly": False,
    }
    home = agent.folder / "gateway"
    assert [path for path in home.rglob("*") if path.is_file() and b"canary-471" in path.read_bytes()] == []


async def test_the_default_server_that_is_not_there_is_left_out_with_a_note(codex: RealAgent) -> None:
    async with gateway_of(codex) as caller:
        told = await caller.call("codex_request", prompt="SAY:x", workingDir=str(codex.work))
    assert (told["status"], told["text"]) == ("completed", "x")
    assert told["mcpServers"] == {"requested": ["sqry"], "enabled": [], "missing": ["sqry"], "trackingOnly": False}
