"""The session operations: made, found, made active, forgotten; and never another caller's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway import CallContext, NativeSessionId, SessionId
from llm_gateway.errors import InvalidRequest, SessionBusy, SessionNotFound, SessionNotResumable
from tests.integration.gateway.world import Caller, Home, refused

pytestmark = pytest.mark.anyio
NATIVE = "11111111-1111-4111-8111-111111111111"


async def created(caller: Caller, **arguments: Any) -> dict[str, Any]:
    made = await caller.call("session_create", provider="echo", workingDir=str(caller.home.work), **arguments)
    return dict(made["session"])


async def listed(caller: Caller, **arguments: Any) -> list[str]:
    return [one["gatewaySessionId"] for one in (await caller.call("session_list", **arguments))["sessions"]]


async def opening(caller: Caller, job_id: str) -> dict[str, Any]:
    page = (await caller.result(job_id, raw="stdout"))["page"]
    return dict(json.loads(page["text"].splitlines()[0]))


async def test_a_session_that_was_made_begins_with_its_first_request_and_goes_on_with_the_next(home: Home) -> None:
    async with home.open() as caller:
        made = await created(caller, description="the plan", setAsActive=False)
        assert (made["description"], made["resumable"], made["active"]) == ("the plan", False, False)
        assert "sessionId" not in made
        first = await caller.ask("remember green", sessionId=made["gatewaySessionId"])
        assert first["gatewaySessionId"] == made["gatewaySessionId"]
        second = await caller.ask("what?", sessionId=made["gatewaySessionId"], scenario="recall")
        assert second["text"] == "remember green"
        found = await caller.call("session_get", sessionId=made["gatewaySessionId"])
    assert found["session"]["sessionId"] == first["sessionId"]
    assert found["session"]["resumable"] is True
    assert [turn["id"] for turn in found["turns"]] == [second["jobId"], first["jobId"]]
    assert found["turns"][0]["usage"] == second["usage"]
    assert found["cacheState"]["requests"] == 2


async def test_a_session_that_was_made_says_again_what_its_first_turn_said_and_where(home: Home) -> None:
    other = home.work / "other"
    other.mkdir()
    async with home.open() as caller:
        made = await created(caller)
        asked = {"sessionId": made["gatewaySessionId"], "workingDir": str(other)}
        await caller.ask("begin", model="echo-1-mini", posture="plan", **asked)
        second = await caller.ask("on", sessionId=made["gatewaySessionId"], workingDir=None)
        seen = await opening(caller, second["jobId"])
        found = (await caller.call("session_get", sessionId=made["gatewaySessionId"]))["session"]
    assert (seen["model"], seen["settings"]["posture"]) == ("echo-1-mini", "plan")
    assert seen["settings"]["workingDir"] == str(other)
    assert (found["model"], found["posture"], found["workingDir"]) == ("echo-1-mini", "plan", str(other))
    assert found["createdAt"] == made["createdAt"]


async def test_an_active_session_is_continued_without_session_arguments_until_none_is(home: Home) -> None:
    async with home.open() as caller:
        made = await created(caller)
        assert made["active"] is True
        await caller.ask("remember this")
        assert (await caller.ask("what?", scenario="recall"))["text"] == "remember this"
        told = await caller.call("session_set_active", provider="echo", sessionId=None, workingDir=str(home.work))
        assert told == {"provider": "echo", "workingDir": str(home.work)}
        assert (await caller.ask("and now?", scenario="recall"))["text"] == "(nothing was said before)"
        told = await caller.call("session_set_active", provider="echo", sessionId=made["gatewaySessionId"])
        assert (told["workingDir"], told["session"]["active"]) == (str(home.work), True)
        assert "remember this" in (await caller.ask("what was it?", scenario="recall"))["text"]


async def test_a_session_can_be_active_in_another_directory_than_its_own(home: Home) -> None:
    other = home.work / "other"
    other.mkdir()
    async with home.open() as caller:
        first = await caller.ask("far away")
        arguments = {"sessionId": first["sessionId"], "workingDir": str(other)}
        await caller.call("session_set_active", provider="echo", **arguments)
        assert (await caller.ask("what?", workingDir=str(other), scenario="recall"))["text"] == "far away"
        missing = home.work / "missing"
        await refused(
            InvalidRequest,
            caller.call("session_set_active", provider="echo", sessionId=None, workingDir=str(missing)),
        )


async def test_both_ids_find_a_session(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("hello")
        for given in (told["gatewaySessionId"], told["sessionId"]):
            found = await caller.call("session_get", sessionId=given)
            assert found["session"]["gatewaySessionId"] == told["gatewaySessionId"]
        assert await caller.call("session_delete", sessionId=told["sessionId"]) == {
            "deleted": [told["gatewaySessionId"]],
            "busy": [],
        }


async def test_lesson_28_29_the_sessions_of_somebody_else_are_nowhere(home: Home) -> None:
    async with home.open() as caller:
        mine = await caller.ask("secret")
        stranger = caller.other("stranger")
        assert await listed(stranger) == []
        nobodys = await refused(SessionNotFound, stranger.call("session_get", sessionId="gw-nobodys"))
        for given in (mine["gatewaySessionId"], mine["sessionId"]):
            for name, more in (
                ("session_get", {}),
                ("session_delete", {}),
                ("session_set_active", {"provider": "echo"}),
                ("session_set_active", {"provider": "echo", "workingDir": "/"}),
            ):
                error = await refused(SessionNotFound, stranger.call(name, sessionId=given, **more))
                assert error.message.split()[-3:-1] == nobodys.message.split()[-3:-1]
                assert str(home.work) not in str(error.to_wire())
        assert await stranger.call("session_clear_all") == {"deleted": [], "busy": []}
        _, text = await caller.gateway.read("sessions://all", CallContext(principal="stranger"))
        assert json.loads(text) == {"sessions": []}
        assert await listed(caller) == [mine["gatewaySessionId"]]


async def test_lesson_30_a_session_is_active_for_its_own_provider_alone(home: Home) -> None:
    async with home.open() as caller:
        mine = await caller.ask("mine")
        error = await refused(
            SessionNotFound,
            caller.call("session_set_active", provider="claude", sessionId=mine["gatewaySessionId"]),
        )
        assert error.message.startswith("claude has no session")
        assert await listed(caller, provider="claude") == []
        assert await listed(caller, provider="echo") == [mine["gatewaySessionId"]]
        error = await refused(InvalidRequest, caller.call("session_list", provider="ecko"))
        assert "did you mean echo" in error.message


async def test_lesson_31_a_running_turn_keeps_its_session_and_what_it_learns_goes_nowhere_else(home: Home) -> None:
    async with home.open() as caller:
        made = await created(caller)
        session = made["gatewaySessionId"]
        running = await caller.start("busy", sessionId=session, scenario="hang")
        error = await refused(SessionBusy, caller.call("session_delete", sessionId=session))
        assert running in error.message
        assert error.retryable
        assert await caller.call("session_clear_all") == {"deleted": [], "busy": [session]}
        assert await listed(caller) == [session]
        await caller.cancel(running)
        assert (await caller.call("session_delete", sessionId=session))["deleted"] == [session]
        assert await listed(caller) == []
        await refused(SessionNotFound, caller.ask("again", sessionId=session))


async def test_lesson_31_a_turn_whose_session_was_forgotten_behind_its_back_brings_nothing_back(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("begin")
        session = SessionId(first["gatewaySessionId"])
        turn = await caller.start("slow", sessionId=session, scenario="silent", delayMs=300)
        await caller.gateway.store.delete_session(session)
        again = await created(caller)
        await caller.wait(turn)
        assert (await caller.result(turn))["status"] == "completed"
        assert await listed(caller) == [again["gatewaySessionId"]]
        kept = await caller.gateway.store.get_session(SessionId(again["gatewaySessionId"]))
        assert kept is not None
        assert (kept.native_id, kept.turns) == (None, 0)


async def test_lesson_32_what_the_cli_never_told_is_not_offered_as_resumable(home: Home) -> None:
    async with home.open() as caller:
        made = await created(caller)
        failed = await caller.ask("fail", sessionId=made["gatewaySessionId"], model="no-such-model")
        assert failed["resumable"] is False
        found = (await caller.call("session_get", sessionId=made["gatewaySessionId"]))["session"]
        assert found["resumable"] is False
        assert "sessionId" not in found


async def test_a_session_that_cannot_go_on_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with home.open() as caller:
        told = await caller.ask("begin")

        def refuse(*arguments: Any) -> Any:
            raise SessionNotResumable("its files are gone")

        monkeypatch.setattr(caller.gateway.host, "resume_session", refuse)
        error = await refused(SessionNotResumable, caller.ask("on", sessionId=told["gatewaySessionId"]))
    assert error.message == "its files are gone"


async def test_everything_is_forgotten_but_what_is_in_use(home: Home) -> None:
    async with home.open() as caller:
        done = [(await caller.ask(f"number {number}"))["gatewaySessionId"] for number in range(3)]
        busy = await caller.start("busy", scenario="hang")
        in_use = (await caller.call("llm_job_status", jobId=busy))["job"]["gatewaySessionId"]
        told = await caller.call("session_clear_all", provider="echo")
        assert sorted(told["deleted"]) == sorted(done)
        assert told["busy"] == [in_use]
        assert await listed(caller) == [in_use]


async def test_sessions_are_resources(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("hello")
        for uri in ("sessions://all", "sessions://echo"):
            _, text = await caller.gateway.read(uri, CallContext())
            assert [one["gatewaySessionId"] for one in json.loads(text)["sessions"]] == [told["gatewaySessionId"]]
        assert json.loads((await caller.gateway.read("sessions://claude", CallContext()))[1]) == {"sessions": []}


async def test_a_session_that_another_request_named_first_is_the_one_that_is_used(home: Home) -> None:
    async with home.open() as caller:
        store = caller.gateway.store
        told = await caller.ask("begin")
        assert await store.find_session("echo", NativeSessionId(told["sessionId"]), "local")
        assert await store.find_session("echo", NativeSessionId(NATIVE), "local") is None
