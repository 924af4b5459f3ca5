"""What policies said is kept, and shown to whom it concerns."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from llm_gateway import Decision, JobId, Posture, Verdict, VerdictRecord
from tests.integration.gateway.world import Caller, Home

pytestmark = pytest.mark.anyio
TODAY = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0)


async def keep(caller: Caller, provider: str, number: int, **changes: object) -> None:
    verdict = Verdict(decision=Decision.DENY, policy="house", reasons=("no",), posture=Posture.PLAN, question="may it?")
    await caller.gateway.store.add_verdict(
        VerdictRecord(
            job_id=JobId(f"job-{number}") if number else None,
            provider=provider,
            principal=caller.principal,
            strategy="mcp_managed",
            verdict=verdict,
            prompt_sha256="0" * 64,
            decided_at=TODAY + timedelta(seconds=number),
        )
    )


async def test_verdicts_are_listed_newest_first_by_provider_and_for_their_owner_alone(home: Home) -> None:
    async with home.open() as caller:
        for number, provider in enumerate(("echo", "claude", "echo")):
            await keep(caller, provider, number)
        listed = (await caller.call("approval_list"))["approvals"]
        of_echo = (await caller.call("approval_list", provider="echo", limit=1))["approvals"]
        assert (await caller.other("stranger").call("approval_list"))["approvals"] == []
    assert [one.get("jobId") for one in listed] == ["job-2", "job-1", None]
    assert of_echo == listed[:1]
    assert listed[0] == {
        "jobId": "job-2",
        "provider": "echo",
        "strategy": "mcp_managed",
        "decision": "deny",
        "policy": "house",
        "reasons": ["no"],
        "posture": "plan",
        "question": "may it?",
        "promptSha256": "0" * 64,
        "decidedAt": f"{TODAY.date()}T12:00:02Z",
    }
