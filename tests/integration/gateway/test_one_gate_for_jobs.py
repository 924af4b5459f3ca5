"""Without the job operations nothing speaks of them, and nobody is sent away with an id that leads nowhere."""

from __future__ import annotations

import json

import pytest

from llm_gateway import CallContext
from llm_gateway.opening import open_gateway
from llm_gateway_transport_mcp.tools import listing
from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


async def test_lesson_20_without_job_operations_a_request_waits_for_its_answer(home: Home) -> None:
    home.env["LLM_GATEWAY_PLUGINS"] = "echo"
    home.set(sync_deadline_s=0.05)
    async with open_gateway(home.env) as gateway:
        arguments = {"prompt": "slowly", "scenario": "silent", "delayMs": 400, "workingDir": str(home.work)}
        told = await gateway.call("echo_request", arguments, CallContext())
        assert told.status == "completed"  # type: ignore[attr-defined]
        assert list(gateway.operations) == ["echo_request"]
        shown = listing(gateway.operations.values()).model_dump_json()
        said = json.dumps([shown, gateway.instructions, told.model_dump_json()])
    assert "llm_job" not in said
    assert "_async" not in said


async def test_lesson_20_without_job_operations_a_long_answer_is_not_cut(home: Home) -> None:
    home.env["LLM_GATEWAY_PLUGINS"] = "echo"
    async with open_gateway(home.env) as gateway:
        told = await gateway.call(
            "echo_request", {"prompt": "x" * 1_100_000, "workingDir": str(home.work)}, CallContext()
        )
    assert len(told.text) >= 1_100_000  # type: ignore[attr-defined]
    assert told.next_offset is None  # type: ignore[attr-defined]
    assert told.warnings == []  # type: ignore[attr-defined]


async def test_lesson_20_with_job_operations_a_request_is_deferred_and_says_how_to_go_on(home: Home) -> None:
    home.env["LLM_GATEWAY_PLUGINS"] = "echo,operations,git"
    home.set(sync_deadline_s=0.05)
    async with home.open() as caller:
        told = await caller.ask("slowly", scenario="silent", delayMs=2000)
        assert told["status"] == "deferred"
        named = {word for word in told["next"].replace(",", " ").split() if word.startswith("llm_job")}
        assert {name.rstrip(".") for name in named} <= caller.gateway.operations.keys()
        assert "echo_request_async" in caller.gateway.operations
        assert "llm_job_wait" in caller.gateway.instructions
