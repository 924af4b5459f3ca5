"""The MCP servers that a run is given, and what becomes of their keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway.errors import ApprovalDenied, ApprovalNeeded, UnknownMcpServer
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio
CANARY = "canary-key-9b1e"


def holding(home: Home) -> list[str]:
    files = [path for path in home.path.rglob("*") if path.is_file()]
    return [str(path.relative_to(home.path)) for path in files if CANARY.encode() in path.read_bytes()]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXA_API_KEY", "REF_API_KEY"):
        monkeypatch.delenv(name, raising=False)


async def test_a_known_server_that_is_not_set_up_says_what_it_needs(home: Home) -> None:
    async with home.open() as caller:
        error = await refused(UnknownMcpServer, caller.ask(mcpServers=["ref_tools", "trstr"]))
    assert "REF_API_KEY" in (error.recovery or "")
    assert "[mcp_servers.trstr]" in (error.recovery or "")


async def test_the_known_ones_must_be_asked_for_and_the_default_may_be_missing(home: Home) -> None:
    async with home.open() as caller:
        assert (await caller.ask())["mcpServers"]["requested"] == ["sqry"]
        told = await caller.ask(mcpServers=["exa"])
        none = await caller.ask("and none", mcpServers=[])
    assert told["mcpServers"] == {"requested": ["exa"], "enabled": ["exa"], "missing": [], "trackingOnly": False}
    assert none["mcpServers"]["requested"] == []


async def test_lesson_82_a_servers_key_is_in_no_argument_answer_or_file(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "exa-mcp-server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    home.env["PATH"] = f"{program.parent}:{home.env['PATH']}"
    monkeypatch.setenv("EXA_API_KEY", CANARY)
    home.env["EXA_API_KEY"] = CANARY
    async with home.open() as caller:
        told = await caller.ask("EXA_API_KEY", mcpServers=["exa"], scenario="env")
        job = await caller.start("hello", mcpServers=["exa"], scenario="hang")
        await caller.said(job)
        pid = caller.gateway.engine.view(job).pid  # type: ignore[arg-type]
        for seen in ("cmdline", "environ"):
            assert CANARY.encode() not in Path(f"/proc/{pid}/{seen}").read_bytes()  # noqa: ASYNC240 - no disk
        assert holding(home) == [f"jobs/{job}/files/mcp.json"]  # for the time of the run
        await caller.cancel(job)
        await caller.wait(job)
        told |= await caller.result(job)
    assert holding(home) == []
    assert told["mcpServers"]["enabled"] == ["exa"]
    assert CANARY not in json.dumps(told)


async def test_lesson_77_the_gateway_is_given_by_name_alone_and_knows_how_deep_it_is(home: Home) -> None:
    home.write_config('default_mcp_servers = ["llm_gateway"]\n')
    async with home.open() as caller:
        assert (await caller.ask())["mcpServers"]["requested"] == []
        assert (await caller.ask(mcpServers=["llm_gateway"]))["mcpServers"]["enabled"] == ["llm_gateway"]
        assert caller.gateway.mcp_servers["llm_gateway"].env["LLM_GATEWAY_DEPTH"] == "1"
    home.set(depth=1)
    async with home.open() as caller:
        assert caller.gateway.mcp_servers["llm_gateway"].env["LLM_GATEWAY_DEPTH"] == "2"


async def test_lesson_77_where_requests_are_managed_a_human_decides_about_agents_that_start_agents(home: Home) -> None:
    asked = {"mcpServers": ["llm_gateway"], "approvalStrategy": "mcp_managed"}
    async with home.open() as caller:
        error = await refused(ApprovalNeeded, caller.ask(**asked))
        assert "further agents" in error.message
        await refused(ApprovalDenied, caller.ask(**asked, approvalPolicy="strict"))
