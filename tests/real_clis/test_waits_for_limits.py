"""A limit with a long Retry-After: no run waits for hours. The caller is told quota_exhausted, and when the limit is reset if that is known.

Vibe is not among them: it waits for 60 s at most, whatever the service says, prints nothing meanwhile, and then fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "grok"])
async def test_no_run_waits_for_hours_until_a_limit_is_reset(name: str, request: pytest.FixtureRequest) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    async with gateway_of(agent) as caller:
        answer = await caller.ask("FAIL:429:0:7200")
    error = answer["error"]
    assert (answer["status"], error["code"]) == ("failed", "quota_exhausted")
    if name in ("codex", "gemini"):  # the others do not report what the service said
        left = datetime.fromisoformat(error["resetAt"].replace("Z", "+00:00")) - datetime.now(timezone.utc)
        assert timedelta(minutes=115) < left < timedelta(minutes=121)
        assert error["retryable"]


async def test_codex_may_wait_if_the_settings_allow_it(codex: RealAgent) -> None:
    with (codex.folder / "gateway/config.toml").open("a") as file:
        file.write("\n[limits]\nlongest_wait_s = 0\n")
    async with gateway_of(codex) as caller:
        job = await caller.start("FAIL:429:0:7200")
        status = ""
        while "waits until" not in status:
            waited = await caller.call("llm_job_wait", jobIds=[job], until="all", timeoutMs=3_000)
            assert waited["pending"] == [job]
            status = str(await caller.call("llm_job_status", jobId=job))
        await caller.call("llm_job_cancel", jobId=job)
        ended = await caller.end_of(job)
    assert ended["status"] == "canceled"
