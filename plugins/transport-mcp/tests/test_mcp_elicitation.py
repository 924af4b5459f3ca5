"""Which clients can be asked a question, and how long the gateway waits for an answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp import MCPError, types

from llm_gateway_transport_mcp import elicitation
from llm_gateway_transport_mcp.elicitation import AnswerFirst, Elicitation
from llm_gateway_transport_mcp.roots import Roots

pytestmark = pytest.mark.anyio
CALL = types.CallToolRequestParams(name="echo", arguments={"text": "x"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def behind(declared: dict[str, Any] | None, *, version: str = "2025-11-25", elicit_form: Any = None) -> Any:
    capabilities = types.ClientCapabilities.model_validate({"elicitation": declared})
    session = SimpleNamespace(client_capabilities=capabilities, protocol_version=version, elicit_form=elicit_form)
    return SimpleNamespace(session=session, request_id=1)


@pytest.mark.parametrize(
    ("declared", "can"), [(None, False), ({}, True), ({"form": {}}, True), ({"url": {}}, False)], ids=str
)
async def test_only_clients_that_declared_forms_are_asked(declared: dict[str, Any] | None, can: bool) -> None:
    for version in ("2025-11-25", "2026-07-28"):
        assert (Elicitation().channels(behind(declared, version=version), CALL, Roots()).human is not None) == can
    nothing = SimpleNamespace(session=SimpleNamespace(client_capabilities=None))
    assert Elicitation().channels(nothing, CALL, Roots()).human is None  # type: ignore[arg-type]


async def test_an_answer_is_not_waited_for_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> types.ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(elicitation, "ANSWER_WITHIN_S", 0.02)
    ask = Elicitation().channels(behind({}, elicit_form=never), CALL, Roots()).human
    assert ask
    with anyio.fail_after(10):
        assert await ask("Really?") is None


async def test_a_client_that_fails_to_ask_has_given_no_answer() -> None:
    async def fail(*_: Any, **__: Any) -> types.ElicitResult:
        raise MCPError(types.INTERNAL_ERROR, "no screen")

    ask = Elicitation().channels(behind({}, elicit_form=fail), CALL, Roots()).human
    assert ask
    assert await ask("Really?") is None


async def test_an_old_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pending = Elicitation()
    state = pending.request_input(AnswerFirst("Really?"), CALL).request_state
    yes = types.ElicitResult(action="accept", content={"approve": True})
    again = CALL.model_copy(update={"request_state": state, "input_responses": {"approve": yes}})
    monkeypatch.setattr(elicitation, "_REMEMBERED_S", 0.0)
    ask = pending.channels(behind({}, version="2026-07-28"), again, Roots()).human
    assert ask
    with pytest.raises(AnswerFirst, match=r"Really\?"):
        await ask("Really?")


def repeated(asked: types.InputRequiredResult, answer: dict[str, Any] | None) -> types.CallToolRequestParams:
    result = types.ElicitResult.model_validate(answer) if answer else None
    return CALL.model_copy(
        update={"request_state": asked.request_state, "input_responses": {"approve": result} if result else None}
    )


async def test_a_call_may_ask_twice_and_keeps_what_was_said_first() -> None:
    pending = Elicitation()
    human = behind({}, version="2026-07-28")
    first = pending.request_input(AnswerFirst("One?"), CALL)
    ask = pending.channels(human, repeated(first, {"action": "decline"}), Roots()).human
    assert ask
    assert await ask("One?") is False
    with pytest.raises(AnswerFirst, match=r"Two\?") as second:
        await ask("Two?")
    again = repeated(pending.request_input(second.value, CALL), {"action": "accept", "content": {"approve": True}})
    ask = pending.channels(human, again, Roots()).human
    assert ask
    assert (await ask("One?"), await ask("Two?")) == (False, True)


async def test_a_repetition_without_an_answer_is_asked_again() -> None:
    pending = Elicitation()
    ask = pending.channels(
        behind({}, version="2026-07-28"), repeated(pending.request_input(AnswerFirst("One?"), CALL), None), Roots()
    ).human
    assert ask
    with pytest.raises(AnswerFirst, match=r"One\?"):
        await ask("One?")


async def test_lesson_51_a_state_that_is_not_ours_or_of_another_call_is_refused() -> None:
    pending, human = Elicitation(), behind({}, version="2026-07-28")
    forged = CALL.model_copy(update={"request_state": "made up"})
    state = pending.request_input(AnswerFirst("One?"), CALL).request_state
    moved = CALL.model_copy(update={"arguments": {"text": "y"}, "request_state": state})
    for call in (forged, moved):
        with pytest.raises(MCPError, match="requestState") as refused:
            pending.channels(human, call, Roots())
        assert refused.value.code == types.INVALID_PARAMS


async def test_questions_that_nobody_answers_do_not_pile_up() -> None:
    pending = Elicitation()
    states = [pending.request_input(AnswerFirst("Really?"), CALL).request_state for _ in range(300)]
    assert len(set(states)) == 300
    assert len(pending._asked) == 256


async def test_roots_and_an_answer_are_both_kept_while_a_call_is_repeated() -> None:
    pending = Elicitation()
    client = behind({}, version="2026-07-28")
    client.session.client_capabilities.roots = types.RootsCapability()
    first = pending.channels(client, CALL, Roots())
    assert first.roots
    with pytest.raises(AnswerFirst) as waiting:
        await first.roots()
    asked = pending.request_input(waiting.value, CALL)
    assert isinstance((asked.input_requests or {})["roots"], types.ListRootsRequest)
    uri = "file:" + "///a%20b"
    told = types.ListRootsResult.model_validate({"roots": [{"uri": uri}]})
    again = CALL.model_copy(update={"request_state": asked.request_state, "input_responses": {"roots": told}})
    second = pending.channels(client, again, Roots())
    assert second.roots
    assert second.human
    assert await second.roots() == (uri,)
    with pytest.raises(AnswerFirst, match="One") as waiting:
        await second.human("One?")
    last = repeated(pending.request_input(waiting.value, CALL), {"action": "accept", "content": {"approve": True}})
    third = pending.channels(client, last, Roots())
    assert third.roots
    assert third.human
    assert (await third.roots(), await third.human("One?")) == ((uri,), True)


async def test_a_client_that_repeats_its_call_without_its_roots_has_none() -> None:
    pending = Elicitation()
    client = behind(None, version="2026-07-28")
    client.session.client_capabilities.roots = types.RootsCapability()
    state = pending.request_input(AnswerFirst(None), CALL).request_state
    channels = pending.channels(client, CALL.model_copy(update={"request_state": state}), Roots())
    assert channels.roots
    assert await channels.roots() == ()
    assert channels.human is None
