"""What a conversation's first turn said, a later one repeats."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from llm_gateway.model.ids import new_session_id
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.request import Prompt, Request, SubmitRequest
from llm_gateway.model.session import Session
from llm_gateway.planning.session import continue_request, remember

INFO = ProviderInfo(name="some", title="Some", executable="some", postures=tuple(Posture))
SAID: dict[str, Any] = {"model": "m-1", "effort": "high", "add_dirs": ("/more",)}


def request(**asked: Any) -> Request:
    return Request(provider="some", prompt=Prompt(text="x"), working_dir="/", **asked)


def after(first: Request, second: Request) -> Request:
    now = datetime.now(timezone.utc)
    made = Session(
        id=new_session_id(), provider="some", principal="local", working_dir="/", created_at=now, last_used_at=now
    )
    session = remember(made, first, Posture.PLAN, {})
    return continue_request(SubmitRequest(request=second, dir_given=False, options_given={}), session, INFO)[0]


def test_trap_10_what_the_first_turn_said_is_said_again() -> None:
    again = after(request(**SAID), request())
    assert {name: getattr(again, name) for name in SAID} == SAID


@pytest.mark.parametrize(("name", "value"), [("model", "m-2"), ("effort", "low"), ("add_dirs", ("/other",))])
def test_what_a_later_turn_says_itself_holds(name: str, value: Any) -> None:
    again = after(request(**SAID), replace(request(), **{name: value}))
    assert {key: getattr(again, key) for key in SAID} == {**SAID, name: value}


def test_what_nobody_said_stays_unsaid() -> None:
    again = after(request(), request())
    assert (again.model, again.effort, again.add_dirs) == (None, None, ())
