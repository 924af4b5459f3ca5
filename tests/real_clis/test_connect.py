"""`llm-gateway connect` with the real assistants, each with a configuration that its user already had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.busy import PATIENCE_S

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

TOML = '# mine\nother = "x"   # why\n\n[profiles.p]\nlist = [ "a",\n "b" ] # c\n'
JSON = '{\n    // mine\n    "ui": {"hideTips": true},   /* y */\n    "mcpServers": {\n        "a": {"command": "/bin/false"}\n    }\n}'


def run(agent: RealAgent, *argv: str) -> str:
    """Run a program in the agent's world; all that it says."""
    env = {**agent.environ, "PATH": f"{agent.program.parent}{os.pathsep}{agent.environ['PATH']}"}
    env["LLM_GATEWAY_HOME"] = str(agent.folder / "gateway")
    done = subprocess.run(
        argv, env=env, cwd=agent.work, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def gateway(agent: RealAgent, *words: str) -> str:
    return run(agent, sys.executable, "-m", "llm_gateway.cli", *words)


def connected(agent: RealAgent, client: str, file: str, text: str) -> Path:
    """Connect a client that has this configuration, and see that nothing else in it has moved; its file."""
    path = agent.folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    said = gateway(agent, "connect", client)
    assert "checked:" in said
    letters = iter(path.read_text())
    assert all(letter in letters for letter in text)
    return path


def test_claude_code_sees_the_server_and_the_skill(claude: RealAgent) -> None:
    text = '{"numStartups":3,\n   "mcpServers": {"a":{"command":"/bin/false","args":[]}}, "n": 1.0}'
    path = connected(claude, "claude", "config/.claude.json", text)
    gateway(claude, "disconnect", "claude")
    assert path.read_text() == text

    gateway(claude, "connect", "claude")
    program = str(claude.program)
    assert "✔ Connected" in run(claude, program, "mcp", "get", "llm-gateway")
    said = run(claude, program, "-p", "SAY:x", "--output-format", "stream-json", "--verbose")
    assert '"multi-llm-orchestration"' in said
    assert '{"name":"a","status":"failed"' in said
    assert '{"name":"llm-gateway","status":"failed"' not in said
    gateway(claude, "disconnect", "claude")  # it has written its own numbers there meanwhile
    assert "llm-gateway" not in path.read_text()
    assert '"/bin/false"' in path.read_text()


def test_codex_sees_the_server(codex: RealAgent) -> None:
    text = TOML + '\n[mcp_servers.a]\ncommand = "/bin/false"\n'
    path = connected(codex, "codex", "config/config.toml", text)
    assert "llm-gateway" in run(codex, str(codex.program), "mcp", "list", "--json")
    assert (path.parent / "skills/multi-llm-orchestration/SKILL.md").is_file()
    gateway(codex, "disconnect", "codex")
    assert path.read_text() == text
    assert not (path.parent / "skills/multi-llm-orchestration").exists()


def test_gemini_cli_sees_the_server_and_the_skill(gemini: RealAgent) -> None:
    gemini.environ["GEMINI_CLI_TRUST_WORKSPACE"] = "true"
    path = connected(gemini, "gemini", "home/.gemini/settings.json", JSON)
    line = ""
    for _ in range(10):  # it gives a server five seconds, which a busy machine may exceed
        listed = run(gemini, str(gemini.program), "mcp", "list")
        line = next(line for line in listed.splitlines() if "llm-gateway:" in line)
        if "Connected" in line:
            break
    assert "Connected" in line
    assert "multi-llm-orchestration [Enabled]" in run(gemini, str(gemini.program), "skills", "list")
    gateway(gemini, "disconnect", "gemini")
    assert path.read_text() == JSON


def test_grok_sees_the_server_and_the_skill(grok: RealAgent) -> None:
    path = connected(grok, "grok", "grok/config.toml", TOML)
    assert "llm-gateway" in run(grok, str(grok.program), "mcp", "doctor", "--json")
    assert "multi-llm-orchestration" in run(grok, str(grok.program), "inspect", "--json")
    gateway(grok, "disconnect", "grok")
    assert path.read_text() == TOML


def test_vibe_starts_the_server(mistral: RealAgent) -> None:
    text = '# mine\nenable_telemetry = false   # why\n\n[[mcp_servers]]\nname = "a"\ntransport = "stdio"\ncommand = "/bin/false"\n'
    path = connected(mistral, "vibe", "vibe/config.toml", text)
    said = run(mistral, str(mistral.program), "-p", "SAY:x")
    assert "x" in said
    assert "'a' failed to connect" in said
    assert "'llm-gateway' failed" not in said
    gateway(mistral, "disconnect", "vibe")
    assert path.read_text() == text
