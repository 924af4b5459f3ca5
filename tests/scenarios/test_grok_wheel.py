"""An extra provider's wheel: it brings its two tools and nothing else, and takes them away again."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.scenarios.environments import Environment

OURS = {"grok_request", "grok_request_async"}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def tools(environment: Environment) -> dict[str, Any]:
    """What a client is shown, by name."""
    home = environment.folder / "home"
    home.mkdir(exist_ok=True)
    said = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    with subprocess.Popen(
        [environment.folder / "bin/llm-gateway", "serve"],
        cwd=home,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "LLM_GATEWAY_HOME": str(home / "gateway"),
            "LLM_GATEWAY_SURFACE_SHOW_ABSENT": "true",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write("".join(json.dumps(frame) + "\n" for frame in said))
        server.stdin.flush()
        answers = iter(map(json.loads, server.stdout))
        listed = next(answer for answer in answers if answer.get("id") == 2)["result"]["tools"]
        server.stdin.close()
        assert server.wait(30) == 0
    return {tool["name"]: tool for tool in listed}


def test_groks_tools_come_and_go_with_its_wheel_and_nothing_else_changes(environment: Environment) -> None:
    environment.install(
        "llm-gateway-core", "llm-gateway-engine-local", "llm-gateway-store-sqlite", "llm-gateway-transport-mcp"
    )
    before, kernel = tools(environment), environment.kernel()
    assert before
    assert not OURS & before.keys()

    environment.install("llm-gateway-provider-grok")
    after = tools(environment)
    assert after.keys() - before.keys() == OURS
    assert {name: tool for name, tool in after.items() if name not in OURS} == before
    assert {"permissionMode", "alwaysApprove", "sandbox"} <= after["grok_request"]["inputSchema"]["properties"].keys()
    assert environment.kernel() == kernel

    environment.uninstall("llm-gateway-provider-grok")
    assert tools(environment) == before


def test_the_extra_brings_grok_to_the_whole(environment: Environment) -> None:
    environment.install("llm-gateway-mcp[grok]")
    assert "llm-gateway-provider-grok" in environment.plugins()
