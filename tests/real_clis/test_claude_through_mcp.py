"""The real Claude Code behind the real gateway, asked by a real MCP client."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.conftest import Bell, ClaudeAgent

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Caller:
    """An assistant that uses the gateway."""

    def __init__(self, client: Client, agent: ClaudeAgent) -> None:
        self._client = client
        self._agent = agent

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its structured answer."""
        result = await self._client.call_tool(tool, arguments)
        assert result.structured_content is not None, result
        return dict(result.structured_content)

    async def ask(self, prompt: str | None = None, **more: Any) -> dict[str, Any]:
        """Ask Claude Code, in the agent's working directory."""
        said = {} if prompt is None else {"prompt": prompt}
        return await self.call("claude_request", workingDir=str(self._agent.work), mcpServers=[], **said, **more)


def alive(pid: str) -> bool:
    return Path("/proc", pid).exists()


@asynccontextmanager
async def gateway_of(agent: ClaudeAgent) -> AsyncIterator[Caller]:
    home = agent.folder / "gateway"
    home.mkdir(mode=0o700, exist_ok=True)
    environ = {
        **agent.environ,
        "LLM_GATEWAY_HOME": str(home),
        "PATH": f"{agent.program.parent}{os.pathsep}{agent.environ['PATH']}",
    }
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "llm_gateway.cli", "serve"], env=environ, cwd=str(agent.folder)
    )
    with (agent.folder / "gateway.log").open("w") as log, anyio.fail_after(120):
        async with Client(stdio_client(server, errlog=log)) as client:
            yield Caller(client, agent)


async def test_a_question_is_answered_and_a_conversation_goes_on(claude: ClaudeAgent) -> None:
    async with gateway_of(claude) as caller:
        first = await caller.ask("SAY:größer 日本語")
        again = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"])
        native = await caller.ask("HISTORY\n(again)", sessionId=first["sessionId"])
    assert (first["status"], first["text"], first["costBasis"]) == ("completed", "größer 日本語", "reported")
    assert again["text"] == "SAY:größer 日本語"
    assert native["text"] == "SAY:größer 日本語 | HISTORY"
    assert first["sessionId"] == again["sessionId"] == native["sessionId"]
    assert again["usage"]["cacheReadTokens"] >= first["usage"]["cacheCreationTokens"] > 1_024
    assert again["costUsd"] < first["costUsd"] / 2


async def test_the_same_request_is_answered_by_the_same_job(claude: ClaudeAgent, model_server: ModelServer) -> None:
    async with gateway_of(claude) as caller:
        first = await caller.ask("SAY:once", createNewSession=True)
        second = await caller.ask("SAY:once", createNewSession=True)
    assert second["jobId"] == first["jobId"]
    assert second["deduplicated"]
    assert len(model_server.log()) == 1


@pytest.mark.parametrize(
    ("prompt", "code"), [("FAIL:401", "auth_required"), ("FAIL:429", "quota_exhausted"), ("FAIL:529", "overloaded")]
)
async def test_lesson_85_a_failure_comes_within_seconds_with_a_way_on(
    prompt: str, code: str, claude: ClaudeAgent
) -> None:
    with anyio.fail_after(40):
        async with gateway_of(claude) as caller:
            answer = await caller.ask(prompt)
    assert (answer["status"], answer["error"]["code"]) == ("failed", code)
    assert answer["error"]["recovery"]
    assert answer["error"]["providerMessage"]


async def test_an_empty_answer_is_no_success(claude: ClaudeAgent) -> None:
    async with gateway_of(claude) as caller:
        answer = await caller.ask("EMPTY")
    assert answer["error"]["code"] == "empty_output"
    assert answer["emptyOutput"]


async def test_an_unknown_conversation_is_not_found(claude: ClaudeAgent) -> None:
    async with gateway_of(claude) as caller:
        answer = await caller.ask("SAY:x", sessionId="00000000-0000-4000-8000-000000000000")
    assert answer["error"]["code"] == "session_not_found"


async def test_permission_mode_and_posture_mean_the_same_rung(claude: ClaudeAgent) -> None:
    write = "TOOL:Write " + json.dumps({"file_path": str(claude.work / "in.txt"), "content": "x"})
    async with gateway_of(claude) as caller:
        denied = await caller.ask(write)
        assert not (claude.work / "in.txt").exists()
        clash = await caller.ask(write, permissionMode="plan", posture="bypass")
        passed = await caller.ask(write, permissionMode="acceptEdits", createNewSession=True)
    assert "permission_denied" in [warning["code"] for warning in denied["warnings"]]
    assert clash["error"]["code"] == "invalid_request"
    assert passed["status"] == "completed"
    assert (claude.work / "in.txt").exists()


async def test_lesson_82_neither_prompt_nor_key_is_in_a_command_line_or_a_file_of_the_gateway(
    claude: ClaudeAgent,
) -> None:
    claude.environ["ANTHROPIC_API_KEY"] = "key-canary-4711"
    shell = "TOOL:Bash " + json.dumps({"command": "tr '\\0' ' ' </proc/$PPID/cmdline", "description": "x"})
    async with gateway_of(claude) as caller:
        answer = await caller.ask(shell + "\nprompt-canary", posture="bypass")
    assert "claude" in answer["text"]
    assert "prompt-canary" not in answer["text"]
    assert "key-canary" not in answer["text"]
    home = claude.folder / "gateway"
    holding = [path for path in home.rglob("*") if path.is_file() and b"key-canary-4711" in path.read_bytes()]
    assert holding == []


async def test_a_marked_prefix_is_read_by_the_next_conversation(claude: ClaudeAgent) -> None:
    parts = {"system": "A rule that everybody follows. " * 1_000, "cacheControl": {"system": True}}
    async with gateway_of(claude) as caller:
        first, second = [
            await caller.ask(promptParts={**parts, "task": f"SAY:{word}"}, createNewSession=True)
            for word in ("one", "two")
        ]
    assert (first["text"], second["text"]) == ("one", "two")
    assert second["usage"]["cacheReadTokens"] > 7_000


async def start_shell(caller: Caller, claude: ClaudeAgent, bell: Bell) -> tuple[str, str]:
    """Have Claude Code start a shell that stays: the job, and the shell's pid."""
    shell = "TOOL:Bash " + json.dumps({"command": f"echo $$ > {bell.path}; exec sleep 300", "description": "x"})
    asked = {"prompt": shell, "workingDir": str(claude.work), "mcpServers": [], "posture": "bypass"}
    job = (await caller.call("claude_request_async", **asked))["job"]["id"]
    return job, await anyio.to_thread.run_sync(bell.wait)


async def end_of(caller: Caller, job: str) -> dict[str, Any]:
    """The result of a job that ends soon."""
    waited = await caller.call("llm_job_wait", jobIds=[job], until="all", timeoutMs=20_000)
    assert waited["pending"] == []
    return await caller.call("llm_job_result", jobId=job)


async def test_a_cancelled_job_ends_with_all_its_children(claude: ClaudeAgent, bell: Bell) -> None:
    async with gateway_of(claude) as caller:
        job, shell = await start_shell(caller, claude, bell)
        await caller.call("llm_job_cancel", jobId=job)
        result = await end_of(caller, job)
    assert result["status"] == "canceled"
    assert not alive(shell)


async def test_lesson_73_a_killed_agent_leaves_no_descendant(claude: ClaudeAgent, bell: Bell) -> None:
    async with gateway_of(claude) as caller:
        job, shell = await start_shell(caller, claude, bell)
        (run,) = (await caller.call("llm_process_health"))["running"]
        assert alive(shell)
        os.kill(run["pid"], signal.SIGKILL)
        result = await end_of(caller, job)
    assert (result["status"], result["error"]["code"]) == ("failed", "interrupted")
    assert not alive(shell)


async def test_a_job_outlives_its_gateway(claude: ClaudeAgent) -> None:
    async with gateway_of(claude) as caller:
        asked = {"prompt": "SLOW:3\nBIG:4000", "workingDir": str(claude.work), "mcpServers": []}
        job = (await caller.call("claude_request_async", **asked))["job"]["id"]
    async with gateway_of(claude) as caller:
        await caller.call("llm_job_wait", jobIds=[job], until="all", timeoutMs=30_000)
        result = await caller.call("llm_job_result", jobId=job)
    assert result["status"] == "completed"
    assert len(result["text"]) == 4_000
