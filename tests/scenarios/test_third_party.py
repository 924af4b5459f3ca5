"""A provider that a stranger wrote for a real program that we do not ship, beside the built wheels."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.real_clis.installing import install
from tests.scenarios.environments import Environment, run

if TYPE_CHECKING:
    from tests.conftest import ModelServer

THEIRS = Path(__file__).parent / "third_party" / "qwen"
PUBLIC = {
    "llm_gateway",
    "llm_gateway_provider_kit.arguments",
    "llm_gateway_provider_kit.conversations",
    "llm_gateway_provider_kit.failures",
    "llm_gateway_provider_kit.json_lines",
    "llm_gateway_provider_kit.lines",
    "llm_gateway_provider_kit.waiting",
}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Environment:
    """The gateway, and the stranger's distribution beside it."""
    folder = tmp_path_factory.mktemp("third")
    theirs = shutil.copytree(THEIRS, folder / "qwen", ignore=shutil.ignore_patterns("__pycache__"))
    environment = Environment(folder / "env", wheels)
    environment.install("llm-gateway-mcp", "llm-gateway-testing", str(theirs))
    return environment


def test_it_needs_nothing_that_is_not_public_and_is_short() -> None:
    (source,) = (THEIRS / "src").rglob("*.py")
    text = source.read_text("utf-8")
    assert len(text.splitlines()) < 120
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llm_gateway"):
            assert node.module in PUBLIC
            assert {alias.name for alias in node.names} <= set(import_module(node.module).__all__)
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith("llm_gateway")]


def test_it_keeps_the_contract_and_its_own_tests_where_it_is_installed(installed: Environment, tmp_path: Path) -> None:
    tests = shutil.copytree(THEIRS / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    said = run(installed.folder / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, cwd=tmp_path)
    assert " passed" in said


class Client:
    """An MCP client, byte by byte."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._number = 0

    def ask(self, method: str, **params: Any) -> Any:
        """Send a request; the result."""
        self._number += 1
        assert self._process.stdin
        assert self._process.stdout
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        while (answer := json.loads(self._process.stdout.readline())).get("id") != self._number:
            continue
        return answer["result"]

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its structured answer."""
        return dict(self.ask("tools/call", name=name, arguments=arguments)["structuredContent"])


def test_the_real_program_answers_through_mcp_and_its_conversation_goes_on(
    installed: Environment, model_server: ModelServer, tmp_path: Path
) -> None:
    program = install("qwen")
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    env = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LLM_GATEWAY_HOME": str(tmp_path / "gateway"),
        "ANTHROPIC_BASE_URL": model_server.url,
        "ANTHROPIC_API_KEY": "any",
        "ANTHROPIC_MODEL": "some-model",
    }
    pipe = subprocess.PIPE
    command = [installed.folder / "bin/llm-gateway", "serve"]
    with subprocess.Popen(command, env=env, cwd=work, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        client = Client(process)
        client.ask("initialize", **HELLO)
        assert {"qwen_request", "qwen_request_async"} <= {tool["name"] for tool in client.ask("tools/list")["tools"]}
        asking: dict[str, Any] = {"workingDir": str(work), "authType": "anthropic"}
        first = client.call("qwen_request", prompt="SAY:größer 日本語", **asking)
        again = client.call("qwen_request", prompt="HISTORY", sessionId=first["gatewaySessionId"], **asking)
        wrong = client.call("qwen_request", prompt="hello", model="no-such-model", createNewSession=True, **asking)
        _, said = process.communicate(timeout=60)
    assert (first["status"], first["text"]) == ("completed", "größer 日本語"), said
    assert first["usage"]["outputTokens"] > 0
    assert (again["status"], again["text"]) == ("completed", "SAY:größer 日本語")
    assert again["sessionId"] == first["sessionId"]
    assert wrong["error"]["code"] == "bad_model"
