"""The real Gemini CLI behind the real gateway, asked by a real MCP client; and an imitation of Antigravity beside it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.installing import chosen_version
from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio

MCP_SERVER = Path(__file__).with_name("tiny_mcp_server.py")
AGY = Path(__file__).parents[2] / "providers" / "gemini" / "tests" / "imitation_agy.py"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_conversation_of_gemini_goes_on_by_every_name_it_has(
    gemini: RealAgent, model_server: ModelServer
) -> None:
    async with gateway_of(gemini) as caller:
        first = await caller.ask("SAY:größer 日本語", createNewSession=True)
        ours = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"])
        native = await caller.ask("HISTORY\n(again)", sessionId=first["sessionId"])
        latest = await caller.ask("HISTORY\n(and again)", resumeLatest=True)
        unknown = await caller.ask("SAY:x", sessionId=UNKNOWN)
        (known,) = (await caller.call("cli_versions", provider="gemini"))["providers"]
        models = (await caller.call("list_models", provider="gemini"))["providers"][0]["models"]
        place = await caller.ask("SAY:x", sessionId="latest")
        (gemini.folder / "other").mkdir()
        elsewhere = await caller.call(
            "gemini_request", prompt="HISTORY", sessionId=first["sessionId"], workingDir=str(gemini.folder / "other")
        )
    assert (known["title"], known["loginCommand"], known["inRange"]) == ("Gemini CLI", "gemini", "yes")
    assert known["login"] == "yes"
    assert [model["id"] for model in models] == ["flash", first["model"]]
    assert (first["status"], first["text"]) == ("completed", "größer 日本語")
    assert ours["text"] == "SAY:größer 日本語"
    assert native["text"] == "SAY:größer 日本語 | HISTORY"
    assert latest["text"] == "SAY:größer 日本語 | HISTORY | HISTORY (again)"
    assert len({turn["sessionId"] for turn in (first, ours, native, latest)}) == 1
    for turn, call in zip((ours, native, latest), model_server.log()[1:4], strict=True):
        cached = call["usage"].get("cachedContentTokenCount", 0)
        assert turn["usage"]["cacheReadTokens"] == cached
        assert turn["usage"]["inputTokens"] == call["usage"]["promptTokenCount"] - cached
        assert turn["usage"]["outputTokens"] == call["usage"]["candidatesTokenCount"]
    assert max(turn["usage"]["cacheReadTokens"] for turn in (ours, native, latest)) > 4_000
    assert unknown["error"]["code"] == "session_not_found"
    assert place["error"]["code"] == "invalid_request"
    assert elsewhere["error"]["code"] == "session_not_resumable"


async def test_what_gemini_cannot_hold_is_refused_with_what_it_can(gemini: RealAgent) -> None:
    async with gateway_of(gemini) as caller:
        unheld = await caller.ask("SAY:x", posture="workspace_write")
        clash = await caller.ask("SAY:x", approvalMode="plan", posture="bypass")
        unknown = await caller.ask("SAY:x", maxBudgetUsd=1.0)
    assert {answer["error"]["code"] for answer in (unheld, clash, unknown)} == {"invalid_request"}
    assert "accept_edits" in unheld["error"]["recovery"]


async def test_a_server_of_the_settings_is_used_by_gemini_and_edits_pass_but_no_shell(gemini: RealAgent) -> None:
    home = gemini.folder / "gateway"
    home.mkdir(mode=0o700)
    tiny = {"command": sys.executable, "args": [str(MCP_SERVER)]}
    settings = f"[mcp_servers.tiny]\ncommand = {json.dumps(tiny['command'])}\nargs = {json.dumps(tiny['args'])}\n"
    (home / "config.toml").write_text(settings + 'env = { TINY_SECRET = "s3cret-canary" }\n')
    (home / "config.toml").chmod(0o600)
    calls = [
        "TOOL:" + f"{name} {json.dumps(given)}"
        for name, given in {
            "write_file": {"file_path": str(gemini.work / "in.txt"), "content": "x"},
            "run_shell_command": {"command": f"touch {gemini.work}/shell.txt"},
            "mcp_tiny_whoami": {},
        }.items()
    ]
    async with gateway_of(gemini) as caller:
        answer = await caller.ask("\n".join(calls), approvalMode="auto_edit", mcpServers=["tiny"])
    assert "the secret has 13 letters" in answer["text"]
    assert answer["mcpServers"]["enabled"] == ["tiny"]
    assert "permission_denied" in [warning["code"] for warning in answer["warnings"]]
    assert [path.name for path in gemini.work.iterdir()] == ["in.txt"]
    left = [path for path in home.rglob("*") if path.is_file() and path.name != "config.toml"]
    assert not [path for path in left if b"s3cret-canary" in path.read_bytes()]


async def test_an_imitated_antigravity_is_preferred_and_a_conversation_stays_with_its_program(
    gemini: RealAgent, model_server: ModelServer
) -> None:
    programs = gemini.folder / "programs"
    programs.mkdir()
    script = AGY.read_text()
    (programs / "agy").write_text(f"#!{sys.executable}\n{script}")
    (programs / "agy").chmod(0o755)
    gemini.environ["PATH"] = f"{programs}{os.pathsep}{gemini.environ['PATH']}"
    async with gateway_of(gemini) as caller:
        first = await caller.ask("SAY:one", createNewSession=True)
        again = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"])
        crossed = await caller.ask("HISTORY", sessionId=first["gatewaySessionId"], flavor="gemini")
        unheld = await caller.ask("SAY:x", posture="accept_edits", createNewSession=True)
        denied = await caller.ask("DENY:command", createNewSession=True)
        lost = await caller.ask("SAY:x", sessionId=UNKNOWN)
        other = await caller.ask("SAY:two", flavor="gemini", createNewSession=True)
    (gemini.folder / "gateway" / "config.toml").write_text('[providers.gemini]\nflavor = "gemini"\n')
    async with gateway_of(gemini) as caller:
        (known,) = (await caller.call("cli_versions", provider="gemini"))["providers"]
        still = await caller.ask("HISTORY:still", sessionId=first["gatewaySessionId"])
    assert (first["text"], again["text"], still["text"]) == ("one", "SAY:one", "SAY:one | HISTORY")
    assert (known["variant"], known["version"]) == ("gemini", chosen_version("gemini"))
    assert again["sessionId"] == first["sessionId"]
    assert first["usage"]["cacheReadTokens"] == 0
    assert again["usage"] == {"inputTokens": 2_000, "outputTokens": 50, "cacheReadTokens": 9_000, "reasoningTokens": 20}
    assert crossed["error"]["code"] == unheld["error"]["code"] == "invalid_request"
    assert denied["error"]["code"] == "tool_denied"
    assert lost["error"]["code"] == "session_not_resumable"
    assert (other["text"], len(model_server.log())) == ("two", 1)
