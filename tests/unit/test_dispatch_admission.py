"""Everything that could change an answer changes the dedup key, and nothing else does."""

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from llm_gateway import Invocation, NativeSessionId, Posture, Prompt, Request, Resume, Session, SessionId
from llm_gateway.dispatch.admission import dedup_key
from llm_gateway.model.request import Accepted

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)

REQUEST = Request(provider="p", prompt=Prompt(text="hello"), working_dir="/w")
ACCEPTED = Accepted(request=REQUEST, posture=Posture.PROMPTED, resume=Resume())
INVOCATION = Invocation(argv=("p", "--json"), stdin=b"hello", env={"RETRIES": "2"})
SESSION = Session(
    id=SessionId("gw-1"), provider="p", principal="local", working_dir="/w", created_at=NOON, last_used_at=NOON
)


def key(
    accepted: Accepted = ACCEPTED,
    invocation: Invocation = INVOCATION,
    program: str = "p1",
    session: Session | None = None,
    set_environment: dict[str, str] | None = None,
    tree: str = "",
) -> str:
    return dedup_key(
        accepted, invocation, program=program, session=session, set_environment=set_environment or {}, tree=tree
    )


def asking(**changes: Any) -> Accepted:
    return replace(ACCEPTED, request=replace(REQUEST, **changes))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"accepted": asking(provider="q")}, id="provider"),
        pytest.param({"accepted": asking(principal="someone")}, id="principal"),
        pytest.param({"accepted": asking(working_dir="/elsewhere")}, id="directory"),
        pytest.param({"accepted": asking(prompt=Prompt(text="other"))}, id="prompt"),
        pytest.param({"accepted": asking(model="m")}, id="model"),
        pytest.param({"accepted": asking(add_dirs=("/more",))}, id="added directory"),
        pytest.param({"accepted": asking(output_schema={"type": "object"})}, id="output schema"),
        pytest.param({"accepted": replace(ACCEPTED, posture=Posture.PLAN)}, id="posture"),
        pytest.param({"invocation": replace(INVOCATION, argv=("p", "--text"))}, id="argv"),
        pytest.param({"invocation": replace(INVOCATION, stdin=b"other")}, id="stdin"),
        pytest.param({"invocation": replace(INVOCATION, env={"RETRIES": "3"})}, id="environment of the provider"),
        pytest.param({"invocation": replace(INVOCATION, files={"mcp.json": b"{}"})}, id="files"),
        pytest.param({"set_environment": {"MODEL": "x"}}, id="environment of the settings"),
        pytest.param({"program": "p2"}, id="version of the program"),
        pytest.param({"session": SESSION}, id="session"),
        pytest.param({"tree": "abc"}, id="working tree"),
    ],
)
def test_lesson_25_each_differing_input_gives_a_different_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_the_next_turn_of_a_session_has_another_key() -> None:
    assert key(session=SESSION) != key(session=replace(SESSION, turns=1))


def test_an_id_chosen_for_a_fresh_conversation_does_not_matter() -> None:
    def with_id(native: str) -> str:
        resume = Resume(native_id=NativeSessionId(native))
        argv = ("p", "--json", f"--session-id={native}")
        return key(replace(ACCEPTED, resume=resume), replace(INVOCATION, argv=argv))

    assert with_id("11111111") == with_id("22222222")


def test_the_id_of_a_resumed_conversation_matters() -> None:
    def with_id(native: str) -> str:
        resume = Resume(native_id=NativeSessionId(native), fresh=False)
        return key(replace(ACCEPTED, resume=resume), replace(INVOCATION, argv=("p", f"--resume={native}")))

    assert with_id("11111111") != with_id("22222222")


def test_a_correlation_id_does_not_matter() -> None:
    assert key(asking(correlation_id="c-1")) == key()
