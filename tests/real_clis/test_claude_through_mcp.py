"""The real Claude Code behind the real gateway, asked by a real MCP client."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.real_clis.through_mcp import Caller, alive, gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe

pytestmark = pytest.mark.anyio


async def test_a_question_is_answered_and_a_conversation_goes_on(claude: RealAgent, model_server: ModelServer) -> None:
    async with gateway_of(claude) as caller:
        first = await caller.ask("SAY:größer 日本語")
        again = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"])
        native = await caller.ask("HISTORY\n(again)", sessionId=first["sessionId"])
    assert (first["status"], first["text"], first["costBasis"]) == ("completed", "größer 日本語", "reported")
    assert again["text"] == "SAY:größer 日本語"
    assert native["text"] == "SAY:größer 日本語 | HISTORY"
    assert first["sessionId"] == again["sessionId"] == native["sessionId"]
    names = {
        "inputTokens": "input_tokens",
        "outputTokens": "output_tokens",
        "cacheReadTokens": "cache_read_input_tokens",
        "cacheCreationTokens": "cache_creation_input_tokens",
    }
    for turn, entry in zip((first, again, native), model_server.log(), strict=True):
        assert {name: turn["usage"][name] for name in names} == {n: entry["usage"][told] for n, told in names.items()}
    assert again["usage"]["cacheReadTokens"] >= first["usage"]["cacheCreationTokens"] > 1_024
    assert again["costUsd"] < first["costUsd"] / 2


async def test_the_same_request_is_answered_by_the_same_job(claude: RealAgent, model_server: ModelServer) -> None:
    async with gateway_of(claude) as caller:
        first = await caller.ask("SAY:once", createNewSession=True)
        second = await caller.ask("SAY:once", createNewSession=True)
    assert second["jobId"] == first["jobId"]
    assert second["deduplicated"]
    assert len(model_server.log()) == 1


async def test_an_unknown_conversation_is_not_found(claude: RealAgent) -> None:
    async with gateway_of(claude) as caller:
        answer = await caller.ask("SAY:x", sessionId="00000000-0000-4000-8000-000000000000")
    assert answer["error"]["code"] == "session_not_found"


async def test_permission_mode_and_posture_mean_the_same_level(claude: RealAgent) -> None:
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
    claude: RealAgent,
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


async def test_a_marked_prefix_is_read_by_the_next_conversation(claude: RealAgent) -> None:
    parts = {"system": "A rule that everybody follows. " * 1_000, "cacheControl": {"system": True}}
    async with gateway_of(claude) as caller:
        first, second = [
            await caller.ask(promptParts={**parts, "task": f"SAY:{word}"}, createNewSession=True)
            for word in ("one", "two")
        ]
    assert (first["text"], second["text"]) == ("one", "two")
    assert second["usage"]["cacheReadTokens"] > 7_000


async def start_shell(caller: Caller, claude: RealAgent, signal_pipe: SignalPipe) -> tuple[str, str]:
    """Have Claude Code start a shell that stays: the job, and the shell's pid."""
    shell = "TOOL:Bash " + json.dumps({"command": f"echo $$ > {signal_pipe.path}; exec sleep 300", "description": "x"})
    job = await caller.start(shell, posture="bypass")
    return job, await anyio.to_thread.run_sync(signal_pipe.wait)


async def test_lesson_73_a_killed_agent_leaves_no_descendant(claude: RealAgent, signal_pipe: SignalPipe) -> None:
    async with gateway_of(claude) as caller:
        job, shell = await start_shell(caller, claude, signal_pipe)
        (run,) = (await caller.call("llm_process_health"))["running"]
        assert alive(shell)
        os.kill(run["pid"], signal.SIGKILL)
        result = await caller.end_of(job)
    assert (result["status"], result["error"]["code"]) == ("failed", "interrupted")
    assert not alive(shell)


async def test_a_job_outlives_its_gateway(claude: RealAgent) -> None:
    async with gateway_of(claude) as caller:
        job = await caller.start("SLOW:3\nBIG:4000")
    async with gateway_of(claude) as caller:
        result = await caller.end_of(job)
    assert result["status"] == "completed"
    assert len(result["text"]) == 4_000
