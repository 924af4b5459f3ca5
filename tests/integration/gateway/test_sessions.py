"""Conversations: which one a request continues, and what is said again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.errors import InvalidRequest, SessionBusy, SessionNotFound
from llm_gateway.model.ids import JobId, SessionId
from llm_gateway.model.posture import Posture
from tests.integration.gateway.world import Caller, Home, redescribe, refused

pytestmark = pytest.mark.anyio
NOBODYS = "00000000-0000-4000-8000-000000000000"


async def opening(caller: Caller, job_id: str) -> dict[str, Any]:
    """What the program itself says about its conversation."""
    page = (await caller.result(job_id, raw="stdout"))["page"]
    return dict(json.loads(page["text"].splitlines()[0]))


@pytest.mark.parametrize("which", ["gatewaySessionId", "sessionId"])
async def test_both_ids_continue_the_conversation(home: Home, which: str) -> None:
    async with home.open() as caller:
        first = await caller.ask("remember blue")
        second = await caller.ask("what?", sessionId=first[which], scenario="recall")
        assert (await opening(caller, second["jobId"]))["resumed"] is True
    assert second["text"] == "remember blue"
    assert second["sessionId"] == first["sessionId"]
    assert second["gatewaySessionId"] == first["gatewaySessionId"]


async def test_a_conversation_goes_on_in_another_gateway(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("remember red")
    async with home.open() as caller:
        told = await caller.ask("what?", sessionId=first["gatewaySessionId"], scenario="recall")
    assert told["text"] == "remember red"


async def test_without_session_arguments_every_request_is_a_conversation_of_its_own(home: Home) -> None:
    async with home.open() as caller:
        await caller.ask("remember")
        assert (await caller.ask("what?", scenario="recall"))["text"] == "(nothing was said before)"


async def test_the_latest_conversation_of_this_directory_is_continued(home: Home) -> None:
    elsewhere = home.work / "elsewhere"
    elsewhere.mkdir()
    async with home.open() as caller:
        await refused(SessionNotFound, caller.ask("what?", resumeLatest=True))
        await caller.ask("older")
        await caller.ask("newer")
        await caller.ask("newest, but not here", workingDir=str(elsewhere))
        told = await caller.ask("what?", resumeLatest=True, scenario="recall")
        await refused(SessionNotFound, caller.other("stranger").ask("what?", resumeLatest=True))
    assert told["text"] == "newer"


async def test_a_conversation_that_never_began_is_not_the_latest(home: Home) -> None:
    async with home.open() as caller:
        await caller.ask("remembered")
        missing = await caller.ask("never begun", model="no-such-model")
        assert missing["error"]["code"] == "bad_model"
        told = await caller.ask("what?", resumeLatest=True, scenario="recall")
    assert told["text"] == "remembered"


async def test_the_active_session_is_continued_in_its_directory_unless_a_new_one_is_asked_for(home: Home) -> None:
    elsewhere = home.work / "elsewhere"
    elsewhere.mkdir()
    async with home.open() as caller:
        first = await caller.ask("active words")
        store = caller.gateway.store
        await store.set_active("echo", str(home.work), "local", first["gatewaySessionId"])
        assert (await caller.ask("what?", scenario="recall"))["text"] == "active words"
        for fresh in ({"createNewSession": True}, {"workingDir": str(elsewhere)}):
            told = await caller.ask("what?", scenario="recall", **fresh)
            assert told["text"] == "(nothing was said before)"
        told = await caller.other("stranger").ask("what?", scenario="recall")
        assert told["text"] == "(nothing was said before)"
        await store.set_active("echo", str(home.work), "local", None)
        assert (await caller.ask("and now?", scenario="recall"))["text"] == "(nothing was said before)"


@pytest.mark.parametrize(
    "arguments",
    [
        {"createNewSession": True, "sessionId": "gw-1"},
        {"resumeLatest": True, "sessionId": "gw-1"},
        {"resumeLatest": True, "createNewSession": True},
    ],
    ids=["new and id", "latest and id", "latest and new"],
)
async def test_the_ways_to_name_a_conversation_exclude_each_other(home: Home, arguments: dict[str, Any]) -> None:
    async with home.open() as caller:
        await refused(InvalidRequest, caller.ask(**arguments))


async def test_lesson_28_the_session_of_somebody_else_is_not_told_apart_from_none(home: Home) -> None:
    async with home.open() as caller:
        mine = await caller.ask("secret")
        stranger = caller.other("stranger")
        theirs = await refused(SessionNotFound, stranger.ask(sessionId=mine["gatewaySessionId"], workingDir="/"))
        nobodys = await refused(SessionNotFound, stranger.ask(sessionId="gw-" + "0" * 32))
        assert theirs.message.split()[:-1] == nobodys.message.split()[:-1]
        assert await stranger.jobs() == []


async def test_lesson_30_a_session_of_one_provider_is_not_continued_by_another(home: Home) -> None:
    async with home.open() as caller:
        mine = await caller.ask("mine")
        store = caller.gateway.store
        session = await store.get_session(SessionId(mine["gatewaySessionId"]))
        assert session is not None
        foreign = replace(session, id=SessionId("gw-foreign"), provider="another", native_id=None)
        await store.put_session(foreign)
        await refused(SessionNotFound, caller.ask(sessionId="gw-foreign"))


@pytest.mark.parametrize("given", ["latest", "../../etc/passwd", "--resume", "-1", "x" * 500, "a b"])
async def test_lesson_32_what_is_no_id_never_reaches_the_program(home: Home, given: str) -> None:
    async with home.open() as caller:
        await refused(InvalidRequest, caller.ask(sessionId=given))
        assert await caller.jobs() == []


async def test_lesson_75_an_id_that_the_program_does_not_know_is_an_error_and_no_new_conversation(home: Home) -> None:
    async with home.open() as caller:
        kept = await caller.ask("kept")
        told = await caller.ask("what?", sessionId=NOBODYS)
        assert (told["status"], told["error"]["code"]) == ("failed", "session_not_found")
        latest = await caller.ask("latest?", resumeLatest=True, scenario="recall")
    assert latest["gatewaySessionId"] == kept["gatewaySessionId"]
    assert latest["text"] == "kept"


async def test_a_first_turn_that_failed_leaves_a_conversation_that_can_begin_again(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("fail", scenario="overloaded")
        told = await caller.ask("again", sessionId=first["gatewaySessionId"], scenario="echo")
        assert told["status"] == "completed"
        third = await caller.ask("what?", sessionId=first["gatewaySessionId"], scenario="recall")
    assert "again" in third["text"]


async def test_lesson_33_what_was_said_at_first_is_said_again_and_a_word_of_the_caller_goes_before(home: Home) -> None:
    (home.work / "more").mkdir()
    more = str(home.work / "more")
    async with home.open() as caller:
        first = await caller.ask("begin", model="echo-1-mini", posture="plan", addDirs=[more], allowedTools=["Read"])
        session = first["gatewaySessionId"]
        second = await caller.ask("on", sessionId=session, workingDir=None)
        third = await caller.ask("and on", sessionId=session, posture="read_only", workingDir=None)
        seen = [await opening(caller, told["jobId"]) for told in (first, second, third)]
    assert [event["model"] for event in seen] == ["echo-1-mini"] * 3
    assert [event["settings"]["posture"] for event in seen] == ["plan", "plan", "read_only"]
    assert [event["settings"]["addDirs"] for event in seen] == [[more]] * 3
    assert [event["settings"]["allowedTools"] for event in seen] == [["Read"]] * 3
    assert {Path(event["settings"]["workingDir"]) for event in seen} == {home.work}
    assert [event["turn"] for event in seen] == [1, 2, 3]


async def test_a_later_turn_may_ask_for_another_posture_than_the_first_one_spelled(home: Home) -> None:
    def posture_of(options: Any) -> Posture | None:
        return Posture.WORKSPACE_WRITE if options.scenario == "steps" else None

    async with home.open() as caller:
        redescribe(caller.gateway, "echo", posture_of=posture_of)
        first = await caller.ask("begin", scenario="steps")
        session = first["gatewaySessionId"]
        same = await caller.ask("on", sessionId=session)
        lower = await caller.ask("look only", sessionId=session, posture="read_only")
        await refused(InvalidRequest, caller.ask("both", sessionId=session, posture="plan", scenario="steps"))
    assert [told["approval"]["posture"] for told in (first, same, lower)] == [
        "workspace_write",
        "workspace_write",
        "read_only",
    ]


async def test_lesson_74_one_turn_at_a_time_in_a_conversation_also_across_gateways(home: Home) -> None:
    async with home.open() as caller, home.peer() as peer:
        first = await caller.ask("begin")
        session, native = first["gatewaySessionId"], first["sessionId"]
        running = await caller.start("busy", sessionId=session, scenario="silent", delayMs=1500)
        error = await refused(SessionBusy, caller.start("me too", sessionId=session))
        assert error.retryable
        await refused(SessionBusy, peer.start("me too", sessionId=native))
        ours = await caller.start("second", sessionId=session, onBusy="queue")
        theirs = await peer.start("third", sessionId=native, onBusy="queue")
        assert await caller.state(theirs) == "queued"
        await caller.wait(running, ours, theirs)
        told = await caller.ask("what?", sessionId=session, scenario="recall", onBusy="queue")
    assert told["text"].splitlines() == ["begin", "busy", "second", "third"]


async def test_a_turn_that_waited_for_the_first_one_continues_what_it_began(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.start("begin", scenario="silent", delayMs=500)
        job = await caller.gateway.store.get_job(JobId(first))
        assert job is not None
        told = await caller.ask("what?", sessionId=job.session_id, scenario="recall", onBusy="queue")
    assert told["text"] == "begin"
