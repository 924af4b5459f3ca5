"""What was approved is what runs: a request changed in its folder, and a job that another gateway takes over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway import Decision, Posture, Verdict, hookimpl
from llm_gateway.model.ids import JobId
from llm_gateway.planning.approval import answered_before
from tests.integration.gateway.world import Answer, Caller, Home

pytestmark = pytest.mark.anyio


def edit(home: Home, job_id: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the request in a job's folder, as an agent of the same user can."""
    job_file = home.folder(job_id) / "request.json"
    document = json.loads(job_file.read_text())
    change(document)
    job_file.write_text(json.dumps(document))


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "posture": lambda doc: doc.update(posture="bypass"),
    "prompt": lambda doc: doc["request"]["prompt"].update(text="something else"),
    "tools": lambda doc: doc["request"].update(allowed_tools=["Bash"]),
    "directories": lambda doc: doc["request"].update(add_dirs=["/"]),
    "place": lambda doc: doc["request"].update(working_dir="/"),
    "options": lambda doc: doc["request"].update(options={"scenario": "env"}),
    "servers": lambda doc: doc["request"].update(mcp_servers=[{"name": "x", "command": "/bin/true"}]),
    "principal": lambda doc: doc["request"].update(principal="another"),
    "conversation": lambda doc: doc.update(resume={"native_id": "somebody-elses", "fresh": False}),
    "strategy": lambda doc: doc.update(strategy="mcp_managed", strictness="permissive"),
    "unknown": lambda doc: doc.update(another=1),
}


async def interrupted(caller: Caller, job_id: str) -> Answer:
    """The answer of a job whose request was changed."""
    await caller.wait(job_id)
    told = await caller.result(job_id)
    assert told["status"] == "interrupted", told
    assert told["error"]["code"] == "interrupted"
    assert [warning["code"] for warning in told["warnings"]] == ["security"]
    return told


@pytest.mark.parametrize("change", CHANGES)
async def test_lesson_105_a_changed_request_of_a_queued_job_does_not_run(home: Home, change: str) -> None:
    home.set(limits__running=1)
    async with home.open() as caller:
        first = await caller.start("first", scenario="hang")
        second = await caller.start("second", posture="read_only")
        edit(home, second, CHANGES[change])
        await caller.cancel(first)
        await interrupted(caller, second)
        assert not caller.gateway.engine.view(JobId(second)).known, "nothing was launched"


async def test_lesson_105_a_request_that_is_only_written_anew_runs(home: Home) -> None:
    home.set(limits__running=1)
    async with home.open() as caller:
        first = await caller.start("first", scenario="hang")
        second = await caller.start("second", posture="read_only")
        edit(home, second, lambda doc: doc.update(dict(reversed(doc.items()))))
        await caller.cancel(first)
        await caller.wait(second)
        assert (await caller.result(second))["status"] == "completed"


@pytest.mark.parametrize("change", ["posture", "conversation"])
async def test_lesson_105_a_changed_request_that_another_gateway_finds_does_not_run(home: Home, change: str) -> None:
    home.set(limits__running=1)
    async with home.peer() as peer:
        first = await peer.start("first", scenario="hang")
        second = await peer.start("second", posture="read_only")
        await peer.kill()
    edit(home, second, CHANGES[change])
    async with home.open() as caller:
        await caller.cancel(first)
        await interrupted(caller, second)
        assert not caller.gateway.engine.view(JobId(second)).known, "nothing was launched"


@pytest.mark.parametrize("change", ["posture", "conversation"])
async def test_lesson_105_a_run_whose_request_was_changed_is_ended_by_the_gateway_that_takes_it_over(
    home: Home, change: str
) -> None:
    async with home.peer() as peer:
        job = await peer.start("go on", scenario="hang", posture="read_only")
        await peer.kill()
    edit(home, job, CHANGES[change])
    async with home.open() as caller:
        await interrupted(caller, job)
        assert not caller.gateway.engine.view(JobId(job)).alive


async def test_lesson_105_what_a_run_does_to_its_own_request_changes_nothing_for_the_one_who_launched_it(
    home: Home,
) -> None:
    async with home.open() as caller:
        job = await caller.start("hello", scenario="silent", delayMs=800, posture="read_only")
        await caller.begun(job)
        edit(home, job, CHANGES["posture"])
        assert (await caller.call("llm_job_status", jobId=job))["job"]["status"] == "running"
        await caller.wait(job)
        told = await caller.result(job)
    assert told["status"] == "completed"
    assert told["approval"]["posture"] == "read_only"


async def test_a_queued_turn_that_continues_what_the_conversation_has_become_is_no_change(home: Home) -> None:
    async with home.peer() as peer:
        first = await peer.start("begin", scenario="silent", delayMs=600)
        session = (await peer.call("llm_job_status", jobId=first))["job"]["gatewaySessionId"]
        second = await peer.start("go on", sessionId=session, onBusy="queue", scenario="steps", delayMs=900)
        await peer.wait(first)
        while await peer.state(second) != "running":
            pass
        await peer.kill()
    async with home.open() as caller:
        await caller.wait(second)
        told = await caller.result(second)
    assert told["status"] == "completed", told


# -------------------------------------------------------------------------------------------- taken over, judged again


async def left_behind(home: Home, **asked: Any) -> tuple[str, str]:
    """A running job and one that waits behind it, of a gateway that is gone."""
    home.set(limits__running=1)
    async with home.peer() as peer:
        first = await peer.start("first", scenario="hang")
        second = await peer.start("second", **asked)
        await peer.kill()
    return first, second


async def taken_over(home: Home, policy: object | None, first: str, second: str) -> Answer:
    """What becomes of the waiting job under a gateway with this policy."""
    async with home.open() as caller:
        if policy is not None:
            record = caller.gateway.host.register(policy, kind="policy", name="house")
            assert not record.problem
        await caller.cancel(first)
        await caller.wait(second)
        told = await caller.result(second)
        told["verdicts"] = (await caller.call("approval_list"))["approvals"]
        return told


class House:
    """A policy with one verdict."""

    def __init__(self, **verdict: Any) -> None:
        self.verdict = Verdict(policy="house", **verdict)

    @hookimpl
    def gateway_approve(self) -> Verdict:
        return self.verdict


async def test_a_job_that_is_taken_over_is_judged_by_the_policies_of_now(home: Home) -> None:
    first, second = await left_behind(home)
    told = await taken_over(home, House(decision=Decision.DENY, reasons=("closed today",)), first, second)
    assert (told["status"], told["error"]["code"]) == ("failed", "approval_denied")
    assert "closed today" in told["error"]["message"]
    assert [one["policy"] for one in told["verdicts"] if one["jobId"] == second] == ["house"]


async def test_a_job_that_is_taken_over_and_allowed_runs(home: Home) -> None:
    first, second = await left_behind(home)
    told = await taken_over(home, House(decision=Decision.ALLOW), first, second)
    assert told["status"] == "completed"


async def test_a_job_that_is_taken_over_runs_with_no_less_than_it_was_promised_or_not_at_all(home: Home) -> None:
    first, second = await left_behind(home, posture="accept_edits")
    told = await taken_over(home, House(decision=Decision.ALLOW, posture=Posture.READ_ONLY), first, second)
    assert told["error"]["code"] == "approval_denied"
    assert "read_only" in told["error"]["message"]


async def test_a_job_that_is_taken_over_and_would_need_a_human_ends(home: Home) -> None:
    first, second = await left_behind(home)
    told = await taken_over(home, House(decision=Decision.ASK, question="Really?"), first, second)
    assert told["error"]["code"] == "approval_needed"


async def test_a_required_policy_that_is_missing_holds_for_what_is_taken_over_too(home: Home) -> None:
    first, second = await left_behind(home)
    home.write_config('[approval]\nrequired_policies = ["house"]\n')
    told = await taken_over(home, None, first, second)
    assert told["error"]["code"] == "approval_denied"
    assert "house" in told["error"]["message"]


async def test_bypass_that_is_no_longer_allowed_is_denied_to_a_job_that_is_taken_over(home: Home) -> None:
    home.env["LLM_GATEWAY_APPROVAL_ALLOW_BYPASS"] = "1"
    first, second = await left_behind(home, posture="bypass", approvalStrategy="mcp_managed")
    del home.env["LLM_GATEWAY_APPROVAL_ALLOW_BYPASS"]
    told = await taken_over(home, None, first, second)
    assert told["error"]["code"] == "approval_denied"


async def test_a_strategy_of_which_nobody_knows_any_more_is_denied_to_a_job_that_is_taken_over(home: Home) -> None:
    first, second = await left_behind(home, approvalStrategy="mcp_managed")
    home.env["LLM_GATEWAY_PLUGINS"] = "echo,operations,git"
    told = await taken_over(home, None, first, second)
    assert told["error"]["code"] == "approval_denied"


def test_a_yes_counts_for_the_question_that_was_asked_and_for_no_other() -> None:
    asking = [Verdict(decision=Decision.ASK, policy="house", question="Really?")]
    yes = {"policy": "human", "reasons": ["asked: Really?"]}
    told = answered_before(yes, asking)
    assert told is not None
    assert told.decision is Decision.ALLOW
    assert answered_before(yes, [Verdict(decision=Decision.ASK, policy="house", question="Twice?")]) is None
    assert answered_before({"policy": "managed", "reasons": ["asked: Really?"]}, asking) is None
    assert answered_before({}, asking) is None
    assert answered_before(yes, [*asking, Verdict(decision=Decision.DENY, policy="other")]) is None
