"""Every real program, asked the same twice: what it writes at each run does not keep its answer from being reused."""

from __future__ import annotations

import pytest

from tests.real_clis.through_mcp import gateway_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "grok", "mistral"])
async def test_the_same_request_is_answered_by_the_same_job_until_a_file_changes(
    name: str, request: pytest.FixtureRequest
) -> None:
    agent = request.getfixturevalue(name)
    async with gateway_of(agent, LLM_GATEWAY_REUSE_BUDGET_S="20") as caller:
        jobs = [(await caller.ask("SAY:once"))["jobId"] for _ in range(2)]
        (agent.work / "file").write_text("x")
        jobs.append((await caller.ask("SAY:once"))["jobId"])
    assert jobs[0] == jobs[1] != jobs[2]
