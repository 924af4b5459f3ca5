"""Any plugin can be taken away: what is left starts, or says what is missing and how it comes back."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.scenarios.environments import Environment, run

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
#: What no gateway can do without: the sentence that names it.
NEEDED = {
    "llm-gateway-store-sqlite": "pip install llm-gateway-store-sqlite",
    "llm-gateway-engine-local": "pip install llm-gateway-engine-local",
    "llm-gateway-transport-mcp": "pip install llm-gateway-transport-mcp",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("removal") / "env", wheels)
    environment.install("llm-gateway-mcp[demo]")
    return environment


def serve(environment: Environment, home: Path) -> tuple[int, set[str], str]:
    """Start it, ask for its tools, let it go: exit code, tools, stderr."""
    asked = [
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
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError):  # it may have ended already
            process.stdin.write("".join(json.dumps(one) + "\n" for one in asked))
            process.stdin.flush()
        answers = {}
        for line in process.stdout:
            answers[json.loads(line).get("id")] = json.loads(line)
            if 2 in answers:
                break
        with suppress(BrokenPipeError):
            process.stdin.close()
        err = process.stderr.read() if process.stderr else ""
        process.wait(60)
    tools = {tool["name"] for tool in answers.get(2, {}).get("result", {}).get("tools", ())}
    return process.returncode, tools, err


def plugins_of(environment: Environment) -> dict[str, str]:
    """Distribution -> kind:name, of every plugin that is there."""
    shown = json.loads(environment.plugins())
    assert shown["problems"] == []
    return {one["distribution"]: f"{one['kind']}:{one['name']}" for one in shown["plugins"]}


def test_without_any_one_plugin_the_gateway_starts_or_says_what_is_missing(whole: Environment, tmp_path: Path) -> None:
    there = plugins_of(whole)
    assert there.keys() >= NEEDED.keys() | {"llm-gateway-provider-claude", "llm-gateway-provider-echo"}
    everything = serve(whole, tmp_path)[1]
    assert "echo_request" in everything
    for distribution, key in sorted(there.items()):
        whole.uninstall(distribution)
        assert key not in plugins_of(whole).values()
        code, tools, said = serve(whole, tmp_path)
        if distribution in NEEDED:
            assert (code, tools) == (2, set()), distribution
            assert NEEDED[distribution] in said
            assert "Traceback" not in said
        else:
            assert code == 0, (distribution, said)
            assert tools < everything or tools == everything
            if key.startswith("provider:"):
                gone = key.partition(":")[2]
                assert tools == {tool for tool in everything if not tool.startswith(f"{gone}_request")}
        whole.install(distribution)
    assert plugins_of(whole) == there
    assert serve(whole, tmp_path) == (0, everything, "")


def test_the_kernel_alone_lists_nothing_of_a_provider_and_says_what_a_gateway_needs(
    wheels: Path, tmp_path: Path
) -> None:
    alone = Environment(tmp_path / "env", wheels)
    alone.install("llm-gateway-core")
    assert not [one for one in plugins_of(alone).values() if one.startswith(("provider:", "store:", "transport:"))]
    assert serve(alone, tmp_path)[0] == 2
    help_text = run(alone.folder / "bin/llm-gateway", "--help", cwd=tmp_path)
    assert "serve" in help_text
