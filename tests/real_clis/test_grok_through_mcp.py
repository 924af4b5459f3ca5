"""The real Grok behind the real gateway, asked by a real MCP client."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.real_clis.installing import chosen_version
from tests.real_clis.through_mcp import Caller, alive, gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe

pytestmark = pytest.mark.anyio

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_conversation_with_grok_goes_on_by_every_name_and_counts_each_turn(
    grok: RealAgent, model_server: ModelServer
) -> None:
    async with gateway_of(grok) as caller:
        first = await caller.ask("SAY:größer 日本語", model="grok-4.6")
        again = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"])
        native = await caller.ask("HISTORY\n(again)", sessionId=first["sessionId"])
        latest = await caller.ask("HISTORY\n(latest)", resumeLatest=True)
        fresh = await caller.ask("HISTORY", createNewSession=True)
        unknown = await caller.ask("SAY:x", sessionId=UNKNOWN)
        titled = await caller.ask("SAY:x", sessionId="a title")
    turns = [first, again, native, latest]
    assert [turn["status"] for turn in turns] == ["completed"] * 4
    assert (first["text"], again["text"]) == ("größer 日本語", "SAY:größer 日本語")
    assert native["text"] == "SAY:größer 日本語 | HISTORY"
    assert latest["text"] == "SAY:größer 日本語 | HISTORY | HISTORY (again)"
    assert len({turn["sessionId"] for turn in turns}) == 1
    assert (fresh["text"], fresh["sessionId"] == first["sessionId"]) == ("nothing", False)
    assert (unknown["error"]["code"], titled["error"]["code"]) == ("session_not_found", "invalid_request")
    used = [entry["usage"] for entry in model_server.log() if "words" in entry]
    for turn, usage in zip(turns, used, strict=False):
        cached = usage["input_tokens_details"]["cached_tokens"]
        assert turn["usage"]["inputTokens"] == usage["input_tokens"] - cached
        assert turn["usage"]["cacheReadTokens"] == cached
        assert turn["usage"]["outputTokens"] == usage["output_tokens"]
        assert (turn["costUsd"], turn["costBasis"]) == (pytest.approx(usage["cost_in_usd_ticks"] / 1e10), "reported")
    assert again["usage"]["cacheReadTokens"] >= first["usage"]["inputTokens"] > 5_000
    assert len(used) == 5


async def test_the_same_request_to_grok_is_answered_by_the_same_job(grok: RealAgent, model_server: ModelServer) -> None:
    async with gateway_of(grok) as caller:
        first, second = [await caller.ask("SAY:once", createNewSession=True) for _ in range(2)]
    assert second["jobId"] == first["jobId"]
    assert second["deduplicated"]
    assert len([entry for entry in model_server.log() if "words" in entry]) == 1


async def test_spellings_of_grok_and_postures_mean_the_same_level(grok: RealAgent) -> None:
    inside = grok.work / "in.txt"
    write = "TOOL:write " + json.dumps({"file_path": str(inside), "content": "x"})
    async with gateway_of(grok) as caller:
        denied = await caller.ask(write)
        assert not inside.exists()
        clashes = [
            await caller.ask(write, permissionMode="plan", posture="bypass"),
            await caller.ask(write, permissionMode="plan", alwaysApprove=True),
            await caller.ask(write, posture="workspace_write"),
            await caller.ask(write, addDirs=[str(grok.folder)]),
        ]
        assert not inside.exists()
        passed = await caller.ask(write, permissionMode="acceptEdits", createNewSession=True)
        await caller.ask("TOOL:run_terminal_command " + json.dumps({"command": "rm in.txt", "description": "x"}))
        kept = inside.exists()
        every = await caller.ask(
            "TOOL:run_terminal_command " + json.dumps({"command": "rm in.txt", "description": "x"}),
            alwaysApprove=True,
            createNewSession=True,
        )
    assert [warning["code"] for warning in denied["warnings"]] == ["permission_denied"]
    assert {clash["error"]["code"] for clash in clashes} == {"invalid_request"}
    assert "accept_edits" in clashes[2]["error"]["recovery"]
    assert (passed["status"], kept) == ("completed", True)
    assert (every["status"], inside.exists()) == ("completed", False)


async def test_lesson_82_neither_prompt_nor_secret_is_in_a_command_line_of_grok_or_a_file_of_the_gateway(
    grok: RealAgent,
) -> None:
    grok.environ["XAI_API_KEY"] = "key-canary-4711"
    tiny = str(Path(__file__).with_name("tiny_mcp_server.py"))
    home = grok.folder / "gateway"
    home.mkdir(mode=0o700)
    told = {"command": sys.executable, "args": [tiny], "env": {"TINY_SECRET": "secret-canary-4712"}}
    lines = [f"{name} = {json.dumps(value)}" for name, value in told.items() if name != "env"]
    (home / "config.toml").write_text(
        "\n".join(["[mcp_servers.tiny]", *lines, '[mcp_servers.tiny.env]\nTINY_SECRET = "secret-canary-4712"\n'])
    )
    shell = {"command": "for pid in $PPID; do tr '\\0' ' ' </proc/$pid/cmdline; done", "description": "x"}
    asked = "TOOL:use_tool " + json.dumps({"tool_name": "tiny__whoami", "tool_input": {}})
    async with gateway_of(grok) as caller:
        answer = await caller.ask(
            f"{asked}\nTOOL:run_terminal_command {json.dumps(shell)}\nprompt-canary",
            posture="bypass",
            mcpServers=["tiny"],
        )
    assert answer["mcpServers"]["enabled"] == ["tiny"]
    assert "--prompt-file=/dev/stdin" in answer["text"]
    assert "canary" not in answer["text"]
    files = [path for path in home.rglob("*") if path.is_file() and path.name != "config.toml"]
    assert not [path for path in files if b"canary-471" in path.read_bytes()]


async def start_shell(caller: Caller, signal_pipe: SignalPipe) -> tuple[str, str]:
    """Have Grok start a shell that stays: the job, and the shell's pid."""
    command = json.dumps({"command": f"echo $$ > {signal_pipe.path}; exec sleep 300", "description": "x"})
    job = await caller.start(f"TOOL:run_terminal_command {command}", posture="bypass")
    return job, await anyio.to_thread.run_sync(signal_pipe.wait)


async def test_lesson_73_a_killed_grok_leaves_no_descendant(grok: RealAgent, signal_pipe: SignalPipe) -> None:
    async with gateway_of(grok) as caller:
        job, shell = await start_shell(caller, signal_pipe)
        (run,) = (await caller.call("llm_process_health"))["running"]
        os.kill(run["pid"], signal.SIGKILL)
        result = await caller.end_of(job)
    assert (result["status"], result["error"]["code"]) == ("failed", "interrupted")
    assert not alive(shell)


async def test_a_job_of_grok_outlives_its_gateway(grok: RealAgent) -> None:
    async with gateway_of(grok) as caller:
        job = await caller.start("SLOW:3\nBIG:4000")
    async with gateway_of(grok) as caller:
        result = await caller.end_of(job)
    assert (result["status"], len(result["text"])) == ("completed", 4_000)


async def test_lesson_49_an_approved_run_of_grok_edits_files_and_runs_no_program(
    grok: RealAgent, model_server: ModelServer
) -> None:
    inside, ran = grok.work / "in.txt", grok.work / "ran.txt"
    write = "TOOL:write " + json.dumps({"file_path": str(inside), "content": "x"})
    run = "TOOL:run_terminal_command " + json.dumps({"command": f"touch {ran}", "description": "x"})
    async with gateway_of(grok) as caller:
        told = await caller.ask(f"{write}\n{run}", approvalStrategy="mcp_managed")
        refused = [
            await caller.ask("SAY:x", approvalStrategy="mcp_managed", **spelling)
            for spelling in ({"alwaysApprove": True}, {"permissionMode": "bypassPermissions"}, {"posture": "bypass"})
        ]
    assert (told["status"], told["approval"]["posture"]) == ("completed", "accept_edits")
    assert [warning["code"] for warning in told["warnings"]] == ["permission_denied"]
    assert inside.exists()
    assert not ran.exists()
    assert [answer["error"]["code"] for answer in refused] == ["approval_denied"] * 3
    assert len([entry for entry in model_server.log() if "words" in entry]) == 3


async def test_the_gateway_tells_the_models_the_version_and_the_upgrade_of_grok(grok: RealAgent) -> None:
    async with gateway_of(grok) as caller:
        (models,) = (await caller.call("list_models", provider="grok"))["providers"]
        (known,) = (await caller.call("cli_versions", provider="grok"))["providers"]
        upgrade = await caller.call("cli_upgrade", provider="grok", target="1.0.41")
    assert [model["id"] for model in models["models"] if model.get("default")] == ["grok-4.6"]
    assert (known["version"], known["inRange"], known["login"]) == (chosen_version("grok"), "yes", "yes")
    assert upgrade["command"][-1] == "@xai-official/grok@1.0.41"
