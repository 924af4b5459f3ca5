"""Reviews that are canceled, reviewers whose provider has no room, and policies that want to ask somebody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway import Decision, Verdict
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review import rounds
from tests.busy import pause
from tests.integration.gateway.reviewing import Script, finding, said
from tests.integration.gateway.test_reviews_until_approved import until
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio
TWO = ["echo", "echo:echo-1-mini"]
BUSY = {"scenario": "overloaded"}


@pytest.fixture
def script(home: Home, repository: Path) -> Script:
    (repository / "code.py").write_text("two\n")
    return Script(home)


def asking(home: Home, **more: Any) -> dict[str, Any]:
    return {"providers": TWO, "workingDir": str(home.work), **more}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_AGAIN_AFTER_S", 0)


async def test_a_canceled_review_ends_with_all_its_reviewers(home: Home, script: Script) -> None:
    for number, model in enumerate(("echo-1", "echo-1-mini")):
        script.say("review", {"text": said("APPROVED"), "gate": str(script.gate(f"gate-{number}"))}, model=model)
    home.set(sync_deadline_s=0.1)
    async with home.open() as caller:
        review = (await caller.call("review", **asking(home)))["reviewId"]
        await until(caller, script, review, 2)
        await refused(InvalidRequest, caller.other("mallory").call("review_cancel", reviewId=review))
        told = await caller.call("review_cancel", reviewId=review)
        jobs = await caller.jobs()
        again = await caller.call("review_cancel", reviewId=review)
    assert (told["status"], told["problem"]) == ("canceled", "it was canceled")
    assert {job["status"] for job in jobs} == {"canceled"}
    assert again == told


async def test_a_loop_that_another_gateway_drives_is_canceled_and_nobody_is_asked_any_more(
    home: Home, script: Script
) -> None:
    gate = script.gate("gate")
    script.say("review", said("NOT_APPROVED", finding()))
    script.say("fix", {"text": "mended", "gate": str(gate)}, model="echo-1-mini")
    home.set(sync_deadline_s=0.1)
    asked = asking(home, providers=["echo"], implementer="echo:echo-1-mini")
    async with home.peer() as peer, home.open() as caller:
        review = (await peer.call("review_until_approved", **asked))["reviewId"]
        await until(caller, script, review, 2)
        told = await caller.call("review_cancel", reviewId=review)
    assert (told["status"], told["round"]) == ("canceled", 1)
    assert len(script.started) == 2


async def test_a_job_that_was_started_while_its_review_was_canceled_ends_too(
    home: Home, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = script.gate("gate")
    script.say("review", {"text": said("APPROVED"), "gate": str(gate)})
    keep = rounds.Drive._keep

    async def canceling(self: rounds.Drive, *turns: Any) -> None:
        if any(turn.status == "running" for turn in turns):
            await anyio.to_thread.run_sync(self._folder.write, self.run.id, rounds.CANCEL, "")
        await keep(self, *turns)

    monkeypatch.setattr(rounds.Drive, "_keep", canceling)
    async with home.open() as caller:
        told = await caller.call("review", **asking(home, providers=["echo"]))
        assert [job["status"] for job in await caller.jobs()] == ["canceled"]
    assert told["status"] == "canceled"


@pytest.mark.usefixtures("at_once")
async def test_a_reviewer_whose_provider_has_no_room_is_asked_once_more(home: Home, script: Script) -> None:
    script.say("review", BUSY, said("APPROVED"))
    script.say("review", BUSY, model="echo-1-mini")
    async with home.open() as caller:
        told = await caller.call("review", **asking(home))
        jobs = await caller.jobs()
    assert [
        (reviewer["attempt"], reviewer.get("verdict"), reviewer.get("errorCode")) for reviewer in told["reviewers"]
    ] == [
        (2, "APPROVED", None),
        (2, None, "overloaded"),
    ]
    assert "problem" not in told["reviewers"][0]
    assert len(jobs) == len({job["correlationId"] for job in jobs}) == 4


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("scenario", ["crash", "quota", "auth", "empty"])
async def test_what_does_not_pass_by_itself_is_not_tried_again(home: Home, script: Script, scenario: str) -> None:
    script.say("review", {"scenario": scenario})
    async with home.open() as caller:
        await caller.call("review", **asking(home, providers=["echo"]))
    assert len(script.started) == 1


@pytest.mark.usefixtures("at_once")
async def test_who_may_change_something_is_never_asked_again(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding()))
    script.say("fix", BUSY, model="echo-1-mini")
    script.say("ask", BUSY)
    async with home.open() as caller:
        fixed = await caller.call(
            "review_until_approved", **asking(home, providers=["echo"], implementer="echo:echo-1-mini")
        )
        await caller.call("ask_many", providers=["echo"], prompt="Hello", posture="accept_edits")
    assert fixed["status"] == "escalate"
    assert [one.split()[1] for one in script.started] == ["review", "fix", "ask"]


async def test_a_gateway_that_is_killed_before_the_second_attempt_is_followed_by_one_that_makes_it_once(
    home: Home, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.say("review", BUSY, said("APPROVED"))
    home.set(sync_deadline_s=0.1)
    async with home.peer() as peer:
        review = (await peer.call("review", **asking(home, providers=["echo"])))["reviewId"]
        state = home.path / "reviews" / review / "state.json"
        with anyio.fail_after(30):
            while json.loads(state.read_bytes())["turns"][0].get("attempt") != 2:
                await pause()
        await peer.kill()
    async with home.open() as caller:
        told = await caller.call("review_wait", reviewId=review)
    assert told["verdict"] == "APPROVED"
    assert len(script.started) == 2


async def test_a_policy_that_wants_to_ask_somebody_is_told_of_with_what_to_do(
    home: Home, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = Verdict(decision=Decision.ASK, policy="careful", reasons=("who knows",))
    async with home.open() as caller:
        monkeypatch.setattr(caller.gateway.host, "approve", lambda proposal: [("careful", asks)])
        told = await caller.call("review", **asking(home, providers=["echo"]))
    (reviewer,) = told["reviewers"]
    assert reviewer["errorCode"] == "approval_needed"
    assert "policy" in reviewer["problem"]
    assert told["verdict"] == "NO_QUORUM"
    assert script.started == []
