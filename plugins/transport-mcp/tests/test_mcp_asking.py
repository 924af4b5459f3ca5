"""Whom a question can be put to, and how long an answer is waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp import MCPError, types

from llm_gateway_transport_mcp import asking
from llm_gateway_transport_mcp.asking import AnswerFirst, Questions
from llm_gateway_transport_mcp.roots import Roots

pytestmark = pytest.mark.anyio
CALL = types.CallToolRequestParams(name="echo", arguments={"text": "x"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def behind(elicitation: dict[str, Any] | None, *, version: str = "2025-11-25", elicit_form: Any = None) -> Any:
    capabilities = types.ClientCapabilities.model_validate({"elicitation": elicitation})
    session = SimpleNamespace(client_capabilities=capabilities, protocol_version=version, elicit_form=elicit_form)
    return SimpleNamespace(session=session, request_id=1)


@pytest.mark.parametrize(
    ("declared", "can"), [(None, False), ({}, True), ({"form": {}}, True), ({"url": {}}, False)], ids=str
)
async def test_only_who_declared_forms_is_asked(declared: dict[str, Any] | None, can: bool) -> None:
    for version in ("2025-11-25", "2026-07-28"):
        assert (Questions().of_call(behind(declared, version=version), CALL, Roots()).human is not None) == can
    nothing = SimpleNamespace(session=SimpleNamespace(client_capabilities=None))
    assert Questions().of_call(nothing, CALL, Roots()).human is None  # type: ignore[arg-type]


async def test_nobody_is_waited_for_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> types.ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(asking, "ANSWER_WITHIN_S", 0.02)
    ask = Questions().of_call(behind({}, elicit_form=never), CALL, Roots()).human
    assert ask
    with anyio.fail_after(10):
        assert await ask("Really?") is None


async def test_a_client_that_fails_to_ask_has_given_no_answer() -> None:
    async def fail(*_: Any, **__: Any) -> types.ElicitResult:
        raise MCPError(types.INTERNAL_ERROR, "no screen")

    ask = Questions().of_call(behind({}, elicit_form=fail), CALL, Roots()).human
    assert ask
    assert await ask("Really?") is None


async def test_an_old_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = Questions()
    state = questions.put(AnswerFirst("Really?"), CALL).request_state
    yes = types.ElicitResult(action="accept", content={"approve": True})
    again = CALL.model_copy(update={"request_state": state, "input_responses": {"approve": yes}})
    monkeypatch.setattr(asking, "_REMEMBERED_S", 0.0)
    ask = questions.of_call(behind({}, version="2026-07-28"), again, Roots()).human
    assert ask
    with pytest.raises(AnswerFirst, match=r"Really\?"):
        await ask("Really?")


def repeated(asked: types.InputRequiredResult, answer: dict[str, Any] | None) -> types.CallToolRequestParams:
    said = types.ElicitResult.model_validate(answer) if answer else None
    return CALL.model_copy(
        update={"request_state": asked.request_state, "input_responses": {"approve": said} if said else None}
    )


async def test_a_call_may_ask_twice_and_keeps_what_was_said_first() -> None:
    questions = Questions()
    human = behind({}, version="2026-07-28")
    first = questions.put(AnswerFirst("One?"), CALL)
    ask = questions.of_call(human, repeated(first, {"action": "decline"}), Roots()).human
    assert ask
    assert await ask("One?") is False
    with pytest.raises(AnswerFirst, match=r"Two\?") as second:
        await ask("Two?")
    again = repeated(questions.put(second.value, CALL), {"action": "accept", "content": {"approve": True}})
    ask = questions.of_call(human, again, Roots()).human
    assert ask
    assert (await ask("One?"), await ask("Two?")) == (False, True)


async def test_a_repetition_without_an_answer_is_asked_again() -> None:
    questions = Questions()
    ask = questions.of_call(
        behind({}, version="2026-07-28"), repeated(questions.put(AnswerFirst("One?"), CALL), None), Roots()
    ).human
    assert ask
    with pytest.raises(AnswerFirst, match=r"One\?"):
        await ask("One?")


async def test_lesson_51_a_state_that_is_not_ours_or_of_another_call_is_refused() -> None:
    questions, human = Questions(), behind({}, version="2026-07-28")
    forged = CALL.model_copy(update={"request_state": "made up"})
    state = questions.put(AnswerFirst("One?"), CALL).request_state
    moved = CALL.model_copy(update={"arguments": {"text": "y"}, "request_state": state})
    for call in (forged, moved):
        with pytest.raises(MCPError, match="requestState") as refused:
            questions.of_call(human, call, Roots())
        assert refused.value.code == types.INVALID_PARAMS


async def test_questions_that_nobody_answers_do_not_pile_up() -> None:
    questions = Questions()
    states = [questions.put(AnswerFirst("Really?"), CALL).request_state for _ in range(300)]
    assert len(set(states)) == 300
    assert len(questions._asked) == 256


async def test_roots_and_an_answer_are_both_kept_while_a_call_is_repeated() -> None:
    questions = Questions()
    client = behind({}, version="2026-07-28")
    client.session.client_capabilities.roots = types.RootsCapability()
    first = questions.of_call(client, CALL, Roots())
    assert first.roots
    with pytest.raises(AnswerFirst) as waiting:
        await first.roots()
    asked = questions.put(waiting.value, CALL)
    assert isinstance((asked.input_requests or {})["roots"], types.ListRootsRequest)
    uri = "file:" + "///a%20b"
    told = types.ListRootsResult.model_validate({"roots": [{"uri": uri}]})
    again = CALL.model_copy(update={"request_state": asked.request_state, "input_responses": {"roots": told}})
    second = questions.of_call(client, again, Roots())
    assert second.roots
    assert second.human
    assert await second.roots() == (uri,)
    with pytest.raises(AnswerFirst, match="One") as waiting:
        await second.human("One?")
    last = repeated(questions.put(waiting.value, CALL), {"action": "accept", "content": {"approve": True}})
    third = questions.of_call(client, last, Roots())
    assert third.roots
    assert third.human
    assert (await third.roots(), await third.human("One?")) == ((uri,), True)


async def test_a_client_that_repeats_its_call_without_its_roots_has_none() -> None:
    questions = Questions()
    client = behind(None, version="2026-07-28")
    client.session.client_capabilities.roots = types.RootsCapability()
    state = questions.put(AnswerFirst(None), CALL).request_state
    asking = questions.of_call(client, CALL.model_copy(update={"request_state": state}), Roots())
    assert asking.roots
    assert await asking.roots() == ()
    assert asking.human is None
