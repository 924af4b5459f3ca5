"""The policy of docs/tutorial/first-policy.md, installed as an organisation would, and real agents behind its wall."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.real_clis.agents.claude import claude
from tests.real_clis.agents.codex import codex
from tests.real_clis.bubblewrap import path_with_bubblewrap
from tests.real_clis.conftest import anyio_backend, signal_pipe
from tests.real_clis.through_mcp import Caller, gateway_of
from tests.scenarios.environments import ROOT, Environment
from tests.scenarios.tutorial import files_of

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe

__all__ = ["anyio_backend", "claude", "codex", "signal_pipe"]

POLICY = files_of(ROOT / "docs/tutorial/first-policy.md")
SHELL = {"posture": "accept_edits", "allowedTools": ["Bash"]}
Opener = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Environment:
    """The gateway, and the organisation's policy beside it."""
    folder = tmp_path_factory.mktemp("organisation")
    for name, content in POLICY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    environment = Environment(folder / "env", wheels)
    environment.install("llm-gateway-mcp", str(folder))
    return environment


@pytest.fixture
def gateway(installed: Environment) -> Opener:
    """Opens a gateway, with the policy of the house or without; its settings are what the page gives, but for two folders."""

    def opened(agent: RealAgent, *, walled: bool) -> AbstractAsyncContextManager[Caller]:
        settings = agent.folder / "gateway" / "config.toml"
        settings.parent.mkdir(mode=0o700, exist_ok=True)
        before = settings.read_text().partition("[house]")[0] if settings.exists() else ""
        own = json.dumps([str(agent.folder / "config")])
        house = f"[house]\nprotected = [{json.dumps(str(agent.folder / 'vault'))}]\nagents_own = {own}\n"
        settings.write_text(before + house if walled else before)
        agent.environ["PATH"] = path_with_bubblewrap()
        narrowed = {} if walled else {"LLM_GATEWAY_PLUGINS": f"{agent.name},operations,git"}
        return gateway_of(agent, python=installed.folder / "bin/python", **narrowed)

    return opened


def places(agent: RealAgent) -> tuple[Path, Path, Path]:
    """A file that is the agent's business, one that is not, and a secret."""
    for name in ("elsewhere", "vault"):
        (agent.folder / name).mkdir()
    (agent.folder / "vault" / "key").write_text("a-secret-word\n")
    return agent.work / "in.txt", agent.folder / "elsewhere" / "out.txt", agent.folder / "vault" / "key"


def tool(command: str) -> str:
    return f"TOOL:Bash {json.dumps({'command': command, 'description': 'x'})}"


def test_the_policy_is_short() -> None:
    lines = POLICY["src/llm_gateway_policy_house/__init__.py"].splitlines()
    assert sum(1 for line in lines if line.strip()) < 60


@pytest.mark.anyio
async def test_a_real_agents_shell_writes_where_it_works_and_nowhere_else(claude: RealAgent, gateway: Opener) -> None:
    inside, outside, secret = places(claude)
    tries = "; ".join(f"echo written > {path}" for path in (inside, outside)) + f"; cat {secret}; echo all tried"
    async with gateway(claude, walled=False) as caller:
        free = await caller.ask(tool(tries), **SHELL)
    assert inside.read_text() == outside.read_text() == "written\n", free
    assert "a-secret-word\nall tried" in free["text"]
    inside.unlink()
    outside.unlink()

    async with gateway(claude, walled=True) as caller:
        held = await caller.ask(tool(tries), **SHELL, createNewSession=True)
        goes_on = await caller.ask("HISTORY", sessionId=held["gatewaySessionId"])
        without_limits = await caller.ask("SAY:x", posture="bypass", createNewSession=True)
    assert held["status"] == "completed"
    assert "all tried" in held["text"]
    assert "a-secret-word" not in held["text"]
    assert inside.read_text() == "written\n"
    assert not outside.exists()
    assert goes_on["text"].startswith("TOOL:Bash"), "the agent keeps its conversations behind the wall too"
    assert without_limits["error"]["code"] == "approval_denied"


@pytest.mark.anyio
async def test_an_agent_that_is_canceled_behind_the_wall_leaves_no_process(
    claude: RealAgent, gateway: Opener, signal_pipe: SignalPipe
) -> None:
    """What is left of it would be found when the test is over, as after every test."""
    async with gateway(claude, walled=True) as caller:
        job = await caller.start(tool(f"echo up > {signal_pipe.path}; exec sleep 300"), **SHELL)
        await anyio.to_thread.run_sync(signal_pipe.wait)
        await caller.call("llm_job_cancel", jobId=job)
        result = await caller.end_of(job)
    assert result["status"] == "canceled"


@pytest.mark.anyio
async def test_an_agent_with_a_sandbox_of_its_own_works_behind_the_wall(codex: RealAgent, gateway: Opener) -> None:
    inside, outside, secret = places(codex)
    tries = f"touch {inside} {outside}; cat {secret}; echo all tried"
    script = f"const r = await tools.exec_command({json.dumps({'cmd': tries})}); text(r.output)"
    prompt = "TOOL:exec " + json.dumps({"input": script})
    async with gateway(codex, walled=False) as caller:
        free = await caller.ask(prompt, fullAuto=True)
    assert "a-secret-word" in free["text"], "its own sandbox hides nothing"
    inside.unlink()
    async with gateway(codex, walled=True) as caller:
        held = await caller.ask(prompt, fullAuto=True, createNewSession=True)
    assert "all tried" in held["text"], held
    assert "a-secret-word" not in held["text"]
    assert inside.exists()
    assert not outside.exists()
