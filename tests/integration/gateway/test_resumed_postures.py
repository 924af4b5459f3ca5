"""A resumed conversation gets what is asked for and approved now, and never what an earlier turn had."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.errors import ApprovalDenied
from llm_gateway.model.posture import Posture
from tests.integration.gateway.test_approval import answering
from tests.integration.gateway.test_sessions import opening
from tests.integration.gateway.world import Home, redescribe, refused

pytestmark = pytest.mark.anyio
MANAGED = {"approvalStrategy": "mcp_managed"}


@pytest.mark.parametrize("first", list(Posture), ids=lambda posture: posture.value)
async def test_a_managed_turn_that_names_no_posture_gets_no_more_than_a_managed_first_turn(
    home: Home, first: Posture
) -> None:
    home.env["LLM_GATEWAY_APPROVAL_ALLOW_BYPASS"] = "1"
    async with home.open() as caller:
        session = (await caller.ask("begin", posture=first.value))["gatewaySessionId"]
        told = await caller.ask("go on", sessionId=session, **MANAGED)
        assert told["approval"]["posture"] == min(first, Posture.ACCEPT_EDITS).value
        seen = await opening(caller, told["jobId"])
    assert seen["settings"]["posture"] == min(first, Posture.ACCEPT_EDITS).value


async def test_a_turn_that_names_a_posture_is_judged_by_it_whatever_the_first_one_had(home: Home) -> None:
    async with home.open() as caller:
        session = (await caller.ask("begin", posture="bypass"))["gatewaySessionId"]
        error = await refused(ApprovalDenied, caller.ask("go on", sessionId=session, posture="bypass", **MANAGED))
        assert "bypass" in error.message
        lower = await caller.ask("look", sessionId=session, posture="read_only", **MANAGED)
        assert lower["approval"]["posture"] == "read_only"


async def test_a_spelling_of_a_posture_is_not_said_again(home: Home) -> None:
    def posture_of(options: Any) -> Posture | None:
        return Posture.WORKSPACE_WRITE if options.scenario == "steps" else None

    async with home.open() as caller:
        redescribe(caller.gateway, "echo", posture_of=posture_of)
        session = (await caller.ask("begin", scenario="steps", delayMs=1))["gatewaySessionId"]
        told = await caller.ask("look", sessionId=session, posture="read_only")
    accepted = json.loads((home.folder(told["jobId"]) / "request.json").read_text())
    assert told["text"] == "echo: look"
    assert accepted["request"]["options"] == {"delayMs": 1}, "what spells none is said again"


async def test_tools_that_the_first_turn_was_allowed_are_judged_anew(home: Home) -> None:
    async with home.open() as caller:
        session = (await caller.ask("begin", allowedTools=["Bash"]))["gatewaySessionId"]
        questions: list[str] = []
        caller.human = answering(False, questions)
        await refused(ApprovalDenied, caller.ask("go on", sessionId=session, **MANAGED))
    assert "Bash" in questions[0]


async def test_a_deduplicated_answer_shows_the_approval_of_the_call_that_it_answers(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("same", posture="accept_edits")
        again = await caller.ask("same", posture="accept_edits", **MANAGED)
        started = await caller.call("echo_request_async", **home.asking("same", {"posture": "accept_edits", **MANAGED}))
        assert again["deduplicated"]
        assert again["jobId"] == first["jobId"] == started["job"]["id"]
        assert first["approval"]["strategy"] == "legacy"
        assert {again["approval"]["strategy"], started["approval"]["strategy"]} == {"mcp_managed"}
        assert again["approval"]["policy"] == "managed"


async def test_a_call_that_would_be_denied_is_not_answered_by_an_earlier_one(home: Home) -> None:
    async with home.open() as caller:
        await caller.ask("same", posture="bypass")
        await refused(ApprovalDenied, caller.ask("same", posture="bypass", **MANAGED))
