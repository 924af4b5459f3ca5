"""Real assistants that put the real Codex to work: each was connected by `llm-gateway connect`, and none is told how the gateway speaks."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.busy import PATIENCE_S
from tests.real_clis.programs import installed
from tests.real_clis.test_connect import gateway

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

ANSWER = "the answer of Codex"
ASKED = {"prompt": f"SAY:{ANSWER}", "mcpServers": []}
TURNS = 8  #: of waiting, each as long as the client allows a tool


def with_codex(client: RealAgent, model_server: ModelServer) -> None:
    """Make a gateway home in which the real Codex is ready to be asked."""
    home, codex_home = client.folder / "gateway", client.folder / "codex-behind"
    home.mkdir(mode=0o700, exist_ok=True)
    codex_home.mkdir()
    service = f'{{name="local",base_url="{model_server.url}/openai/v1",env_key="CODEX_API_KEY",wire_api="responses"}}'
    config = ['model_provider="local"', f"model_providers.local={service}"]
    (home / "config.toml").write_text(
        f"[providers.codex]\nexecutable = {json.dumps(str(installed('codex')))}\noverrides = {json.dumps(config)}\n"
        f'env = {{ CODEX_API_KEY = "any", CODEX_HOME = {json.dumps(str(codex_home))} }}\n'
    )


def says(client: RealAgent, prompt: str, *argv: str) -> str:
    """What the client says at the end of a headless turn."""
    env = client.environ
    done = subprocess.run(
        [str(client.program), *argv],
        input=prompt,
        env=env,
        cwd=client.work,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def job_in(text: str) -> str:
    found = re.search(r"job-[0-9a-z]+", text)
    assert found, text
    return found[0]


def result_of(job: str, use: Callable[..., str]) -> str:
    """The result of a job that ends soon."""
    result = ""
    for _ in range(TURNS):
        assert "pending" in use("llm_job_wait", jobIds=[job], until="all", timeoutMs=40_000)
        result = use("llm_job_result", jobId=job)
        if ANSWER in result:
            break
    return result


def test_claude_code_has_codex_answer(claude: RealAgent, model_server: ModelServer) -> None:
    with_codex(claude, model_server)
    gateway(claude, "connect", "claude")

    def use(tool: str, **arguments: Any) -> str:
        words = f"TOOL:ToolSearch {json.dumps({'query': 'select:mcp__llm-gateway__' + tool, 'max_results': 1})}\n"
        words += f"TOOL:mcp__llm-gateway__{tool} {json.dumps(arguments)}"
        return says(claude, words, "-p", "--allowedTools", "mcp__llm-gateway")

    assert ANSWER in result_of(job_in(use("codex_request_async", **ASKED)), use)


def test_codex_has_codex_answer(codex: RealAgent, model_server: ModelServer) -> None:
    with_codex(codex, model_server)
    (codex.folder / "config/config.toml").write_text("# mine\n")
    gateway(codex, "connect", "codex", "--trust")
    service = f'{{name="local",base_url="{model_server.url}/openai/v1",env_key="CODEX_API_KEY",wire_api="responses"}}'
    argv = (
        "exec",
        "--skip-git-repo-check",
        "-c",
        'model_provider="local"',
        "-c",
        f"model_providers.local={service}",
        "-c",
        "mcp_servers.llm-gateway.required=true",  # else its turn begins while the gateway still starts
        "-c",
        f"mcp_servers.llm-gateway.startup_timeout_sec={PATIENCE_S:.0f}",
        "-",
    )
    words = f"""
        const use = async (name, given) => JSON.stringify(await tools["mcp__llm_gateway__" + name](given));
        const job = (await use("codex_request_async", {json.dumps(ASKED)})).match(/job-[0-9a-z]+/)[0];
        let said = "";
        for (let turn = 0; turn < {TURNS} && !said.includes({json.dumps(ANSWER)}); turn++) {{
            await use("llm_job_wait", {{jobIds: [job], until: "all", timeoutMs: 40000}});
            said = await use("llm_job_result", {{jobId: job}});
        }}
        text(said);"""
    said = says(codex, "TOOL:exec " + json.dumps({"input": words}), *argv)
    assert ANSWER in said


def test_gemini_cli_has_codex_answer(gemini: RealAgent, model_server: ModelServer) -> None:
    with_codex(gemini, model_server)
    settings = gemini.folder / "home/.gemini/settings.json"
    settings.parent.mkdir()
    settings.write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    gateway(gemini, "connect", "gemini", "--trust")

    def use(tool: str, **arguments: Any) -> str:
        words = f"TOOL:mcp_llm-gateway_{tool} {json.dumps(arguments)}"
        return says(gemini, words, "--skip-trust", "-p", "")

    assert ANSWER in result_of(job_in(use("codex_request_async", **ASKED)), use)
