"""The real Codex behind the real gateway, asked by a real MCP client."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.real_clis.through_mcp import Caller, alive, gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe

pytestmark = pytest.mark.anyio
MCP_SERVER = Path(__file__).with_name("tiny_mcp_server.py")


def script(words: str) -> str:
    """Codex's models call tools by a piece of JavaScript."""
    return "TOOL:exec " + json.dumps({"input": words})


def shell(command: str) -> str:
    return script(f"const r = await tools.exec_command({json.dumps({'cmd': command})}); text(r.output)")


def whole(usage: dict[str, Any]) -> int:
    """Every token that went in."""
    return int(usage["inputTokens"] + usage["cacheReadTokens"] + usage["cacheCreationTokens"])


async def test_a_conversation_goes_on_by_every_name_and_counts_each_turn_alone(
    codex: RealAgent, model_server: ModelServer
) -> None:
    """Lesson 79: three equal turns; traps 1 and 10: what Codex forgets is said again."""
    async with gateway_of(codex) as caller:
        first = await caller.ask("SAY:größer 日本語", model="gpt-5.5", effort="high")
        again = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"])
        native = await caller.ask("HISTORY\n(again)", sessionId=first["sessionId"])
        latest = await caller.ask("HISTORY\n(more)", resumeLatest=True)
        unknown = await caller.ask("SAY:x", sessionId="00000000-0000-7000-8000-000000000000")
        named = await caller.ask("SAY:x", sessionId="my-own-title")
    assert (first["status"], first["text"]) == ("completed", "größer 日本語")
    assert again["text"] == "SAY:größer 日本語"
    assert native["text"] == "SAY:größer 日本語 | HISTORY"
    assert latest["text"] == "SAY:größer 日本語 | HISTORY | HISTORY (again)"
    turns = [first, again, native, latest]
    assert len({turn["sessionId"] for turn in turns}) == len({turn["gatewaySessionId"] for turn in turns}) == 1
    told = [entry["usage"] for entry in model_server.log()]
    assert [whole(turn["usage"]) for turn in turns] == [usage["input_tokens"] for usage in told]
    read = [usage["input_tokens_details"]["cached_tokens"] for usage in told]
    assert [turn["usage"]["cacheReadTokens"] for turn in turns] == read
    assert read[1] >= first["usage"]["cacheCreationTokens"] > 1_024
    sent = [entry["body"] for entry in model_server.log(bodies=True)]
    assert {(body["model"], body["reasoning"]["effort"]) for body in sent} == {("gpt-5.5", "high")}
    assert unknown["error"]["code"] == "session_not_found"
    assert named["error"]["code"] == "invalid_request", (
        "lesson 75, trap 3: it would silently begin another conversation"
    )
    assert len(sent) == 4


async def test_what_codex_calls_a_posture_means_the_same_level(codex: RealAgent) -> None:
    write = shell("touch in.txt && ls in.txt")
    async with gateway_of(codex) as caller:
        denied = await caller.ask(write)
        assert not (codex.work / "in.txt").exists()
        clash = await caller.ask(write, sandboxMode="read-only", posture="bypass")
        both = await caller.ask(write, sandboxMode="read-only", fullAuto=True)
        limit = await caller.ask(write, maxTurns=3)
        passed = await caller.ask(write, fullAuto=True, sessionId=denied["sessionId"])
        (codex.work / "in.txt").unlink()
        back = await caller.ask(write, sandboxMode="read-only", sessionId=denied["sessionId"])
        edits = await caller.ask("SAY:x", posture="accept_edits", createNewSession=True)
    assert [answer["error"]["code"] for answer in (clash, both, limit)] == ["invalid_request"] * 3
    assert "in.txt" in passed["text"]
    assert back["status"] == "completed"
    assert not (codex.work / "in.txt").exists()
    assert [warning["code"] for warning in edits["warnings"]] == ["no_shell"]


async def test_lesson_82_no_key_of_anybody_stands_where_it_should_not(codex: RealAgent) -> None:
    codex.environ |= {"CODEX_API_KEY": "key-canary-4711", "ANTHROPIC_API_KEY": "other-canary-4712"}
    settings = codex.folder / "gateway" / "config.toml"
    tiny = f"[mcp_servers.tiny]\ncommand = {json.dumps(sys.executable)}\nargs = {json.dumps([str(MCP_SERVER)])}\n"
    settings.write_text(f'{settings.read_text()}{tiny}env = {{ TINY_SECRET = "13-letters-ok" }}\n')
    call = script("const r = await tools.mcp__tiny__whoami({}); text(JSON.stringify(r))")
    looks = shell("tr '\\0' ' ' </proc/$PPID/cmdline; tr '\\0' ' ' </proc/$PPID/environ; env")
    async with gateway_of(codex) as caller:
        used = await caller.ask(call, mcpServers=["tiny"])
        answer = await caller.ask(
            f"{looks}\nprompt-canary", posture="bypass", mcpServers=["tiny"], createNewSession=True
        )
    assert "the secret has 13 letters" in used["text"]
    assert used["mcpServers"]["enabled"] == ["tiny"]
    assert "codex" in answer["text"]
    assert answer["text"].count("key-canary") == 1, "in Codex's own environment, and not in its shell's"
    for hidden in ("prompt-canary", "other-canary", "13-letters"):
        assert hidden not in answer["text"]
    files = [path for path in (codex.folder / "gateway").rglob("*") if path.is_file()]
    assert [path for path in files if b"other-canary-4712" in path.read_bytes()] == []
    assert [path for path in files if path != settings and b"13-letters-ok" in path.read_bytes()] == []


async def test_lesson_77_codex_may_put_another_to_work_but_not_endlessly(codex: RealAgent) -> None:
    asked = {"prompt": "LLM_GATEWAY_DEPTH", "scenario": "env"}
    call = script(f"const r = await tools.mcp__llm_gateway__echo_request({json.dumps(asked)}); text(JSON.stringify(r))")
    async with gateway_of(codex) as caller:
        told = await caller.ask(call, mcpServers=["llm_gateway"])
    assert '\\"LLM_GATEWAY_DEPTH\\": \\"2\\"' in told["text"], told
    async with gateway_of(codex, LLM_GATEWAY_DEPTH="2") as caller:
        deep = await caller.ask(call, mcpServers=["llm_gateway"], createNewSession=True)
    assert "nested" in deep["text"]


async def start_shell(caller: Caller, signal_pipe: SignalPipe) -> tuple[str, str]:
    """Have Codex start a shell that stays: the job, and the shell's pid."""
    job = await caller.start(
        shell(f"echo $$ > {signal_pipe.path}; exec sleep 300"), posture="bypass", createNewSession=True
    )
    return job, await anyio.to_thread.run_sync(signal_pipe.wait)


async def test_lesson_73_a_killed_codex_leaves_no_descendant(codex: RealAgent, signal_pipe: SignalPipe) -> None:
    async with gateway_of(codex) as caller:
        job, child = await start_shell(caller, signal_pipe)
        (run,) = (await caller.call("llm_process_health"))["running"]
        os.kill(run["pid"], signal.SIGKILL)
        killed = await caller.end_of(job)
        assert not alive(child)
    assert (killed["status"], killed["error"]["code"]) == ("failed", "interrupted")
