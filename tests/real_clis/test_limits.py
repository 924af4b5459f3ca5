"""Every real program works under limits of memory, processes and processor time, and one that exceeds them is ended and told so."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of
from tests.real_clis.tools import shell

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio

#: Takes memory until it is stopped.
EATS = "import time\nheld = []\nwhile True:\n    held.append(bytearray(b'x') * (1 << 23)); time.sleep(0.02)"


@pytest.fixture(params=["claude", "codex", "gemini", "grok", "mistral"])
def agent(request: pytest.FixtureRequest) -> RealAgent:
    """Each real program, ready to be asked."""
    agent: RealAgent = request.getfixturevalue(request.param)
    return agent


async def test_it_answers_within_its_limits_and_a_run_that_eats_memory_is_ended(agent: RealAgent) -> None:
    home = agent.folder / "gateway"
    home.mkdir(mode=0o700, exist_ok=True)
    with (home / "config.toml").open("a") as file:
        file.write("\n[limits]\nmemory_mb = 1500\nprocesses = 400\ncpu = 2\n")
    command = f"/usr/bin/python3 -c {shlex.quote(EATS)}"
    async with gateway_of(agent) as caller:
        fine = await caller.ask("SAY:hello")
        job = await caller.start(shell(agent.name, command), posture="bypass", createNewSession=True)
        ended = await caller.end_of(job)
    assert (fine["status"], fine["text"]) == ("completed", "hello")
    assert ended["error"]["code"] == "provider_failed"
    assert "it needed more than 1500 MB of memory ([limits] memory_mb); raise it" in ended["error"]["message"]
