"""What holds for every real program behind the real gateway, asked by a real MCP client."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.real_clis.through_mcp import alive, gateway_of
from tests.real_clis.tools import shell, write

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe

pytestmark = pytest.mark.anyio

#: Each with the name of the variable that holds its key.
KEYS = {
    "claude": "ANTHROPIC_API_KEY",
    "codex": "CODEX_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "grok": "XAI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
}
#: By which an agent's commands know whose they are: those of the assistant that started the gateway are not the run's.
PARENTS = ("CLAUDE_CODE_SESSION_ID", "CODEX_THREAD_ID", "GEMINI_CLI_IDE_SERVER_PORT", "GROK_SESSION_ID")
#: Their commands do not even see their own key.
KEEP_THEIR_KEY = {"codex", "grok"}
#: After these they try again for a while, by themselves.
PASSING = {
    "FAIL:429:0:1": "quota_exhausted",  # without a hint of when to come back, Gemini CLI would wait a minute
    "FAIL:529": "overloaded",
    "FAIL:500": "overloaded",
}
LASTING = {"FAIL:401": "auth_required", "EMPTY": "empty_output", "model": "bad_model"}


@pytest.fixture(params=KEYS)
def agent(request: pytest.FixtureRequest) -> RealAgent:
    """Each real program, ready to be asked."""
    agent: RealAgent = request.getfixturevalue(request.param)
    return agent


async def test_lesson_85_failures_come_within_seconds_each_with_its_code_and_a_way_on(agent: RealAgent) -> None:
    unknown = "gone" if agent.name == "mistral" else "no-such-model"  # Vibe takes only names that it knows itself
    async with gateway_of(agent) as caller:
        jobs = {prompt: await caller.start(prompt, createNewSession=True) for prompt in PASSING}
        ended = {prompt: await caller.ask(prompt, createNewSession=True) for prompt in ("FAIL:401", "EMPTY")}
        ended["model"] = await caller.ask("SAY:x", createNewSession=True, model=unknown)
        ended |= {prompt: await caller.end_of(job) for prompt, job in jobs.items()}
    assert {asked: end["error"]["code"] for asked, end in ended.items()} == {**PASSING, **LASTING}
    assert {end["status"] for end in ended.values()} == {"failed"}
    assert max(end["durationMs"] for end in ended.values()) < 100_000  # several at once, on two cores
    assert all(end["error"]["recovery"] for end in ended.values())
    assert ended.pop("EMPTY")["emptyOutput"]
    assert all(end["error"]["providerMessage"] for end in ended.values())


async def test_lesson_49_accept_edits_writes_inside_and_neither_outside_nor_by_a_program(agent: RealAgent) -> None:
    inside, outside, run = agent.work / "in.txt", agent.folder / "out.txt", agent.work / "run.txt"
    program = f"{sys.executable} -c \"open('{run}', 'w')\""
    tries = [write(agent.name, inside), write(agent.name, outside), shell(agent.name, program)]
    async with gateway_of(agent) as caller:
        told = await caller.ask("\n".join(tries), posture="accept_edits")
    assert (told["status"], told["approval"]["posture"]) == ("completed", "accept_edits")
    assert {"permission_denied", "no_shell"} & {warning["code"] for warning in told["warnings"]}
    assert inside.read_text().strip() == "written"
    assert not outside.exists()
    assert not run.exists()


def environs(pid: str) -> dict[str, str]:
    """The environment of a process and of all that came from it."""
    found: dict[str, str] = {}
    with suppress(OSError):  # one that has just ended
        found[pid] = Path(f"/proc/{pid}/environ").read_text()
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                found |= environs(child)
    return found


async def test_lessons_15_45_and_73_a_run_sees_no_other_key_and_once_canceled_leaves_no_process_and_can_go_on(
    agent: RealAgent, signal_pipe: SignalPipe
) -> None:
    agent.environ |= {**dict.fromkeys(PARENTS, "canary-of-a-parent"), "GITHUB_TOKEN": "canary-of-a-user"}
    agent.environ |= {key: f"canary-of-{name}" for name, key in KEYS.items()}
    own = f"canary-of-{agent.name}"
    async with gateway_of(agent) as caller:
        job = await caller.start(shell(agent.name, f"echo $$ > {signal_pipe.path}; exec sleep 300"), posture="bypass")
        command = await anyio.to_thread.run_sync(signal_pipe.wait)
        status = await caller.call("llm_job_status", jobId=job)
        (run,) = (await caller.call("llm_process_health"))["running"]
        seen = environs(str(run["pid"]))
        await caller.call("llm_job_cancel", jobId=job)
        canceled = await caller.end_of(job)
        left = [pid for pid in seen if alive(pid)]
        health = await caller.call("llm_process_health")
        again = await caller.ask("HISTORY", sessionId=canceled["gatewaySessionId"])
    assert (status["job"]["status"], status["silenceIsNormal"]) == ("running", agent.info.silent)
    assert own in seen[str(run["pid"])]
    assert (own in seen[command]) is (agent.name not in KEEP_THEIR_KEY)
    assert [pid for pid, environ in seen.items() if "canary" in environ.replace(own, "")] == []
    assert (canceled["status"], left, health["running"]) == ("canceled", [], [])
    assert (again["status"], "exec sleep 300" in again["text"]) == ("completed", True)
