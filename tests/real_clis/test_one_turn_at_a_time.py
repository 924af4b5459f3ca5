"""One conversation with a real program, asked for by two gateways of one home at the same time."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe

pytestmark = pytest.mark.anyio


async def test_lesson_74_two_gateways_never_run_one_conversation_of_claude_at_once_and_nothing_is_lost(
    claude: RealAgent, signal_pipe: SignalPipe
) -> None:
    gate = claude.folder / "gate"
    os.mkfifo(gate)
    ring = {"command": f"echo here > {signal_pipe.path}; cat {gate}", "description": "x"}
    async with gateway_of(claude) as caller, gateway_of(claude) as other:
        first = await caller.ask("SAY:begun")
        ours, native = first["gatewaySessionId"], first["sessionId"]
        running = await caller.start(f"TOOL:Bash {json.dumps(ring)}", sessionId=ours, posture="bypass")
        await anyio.to_thread.run_sync(signal_pipe.wait)
        refused = [await other.ask("SAY:lost", sessionId=name) for name in (ours, native)]
        waiting = await other.start("SAY:waited", sessionId=native, onBusy="queue")
        state = (await caller.call("llm_job_status", jobId=waiting))["job"]["status"]
        await anyio.to_thread.run_sync(gate.write_text, "go on")
        ended = [await caller.end_of(running), await other.end_of(waiting)]
        told = await caller.ask("HISTORY", sessionId=ours)
    assert [(answer["error"]["code"], answer["error"]["retryable"]) for answer in refused] == [
        ("session_busy", True)
    ] * 2
    assert state == "queued"
    assert [answer["status"] for answer in ended] == ["completed", "completed"]
    assert {answer["sessionId"] for answer in [*ended, told]} == {native}
    began, between, last = told["text"].split(" | ")
    assert (began, between[:9], last) == ("SAY:begun", "TOOL:Bash", "SAY:waited")
