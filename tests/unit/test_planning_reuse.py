"""Everything that could change an answer changes the dedup key, and nothing else does."""

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from llm_gateway import Invocation, McpServer, NativeSessionId, Posture, Prompt, Request, Resume, Session, SessionId
from llm_gateway.model.request import Accepted
from llm_gateway.planning.reuse import dedup_key

ENVIRONMENT = {"PATH": "/bin", "API_KEY": "canary"}
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
    environment: dict[str, str] | None = None,
) -> str:
    seen = ENVIRONMENT if environment is None else environment
    return dedup_key(accepted, invocation, program=program, session=session, environment=seen)


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
        pytest.param({"environment": {**ENVIRONMENT, "API_KEY": "other"}}, id="value in the environment"),
        pytest.param({"environment": {**ENVIRONMENT, "MODEL": "x"}}, id="variable more in the environment"),
        pytest.param({"environment": {"PATH": "/bin"}}, id="variable less in the environment"),
        pytest.param({"accepted": asking(mcp_servers=(McpServer(name="s", command="a"),))}, id="MCP server"),
        pytest.param({"invocation": replace(INVOCATION, files={"mcp.json": b"{}"})}, id="files"),
        pytest.param({"program": "p2"}, id="version of the program"),
        pytest.param({"session": SESSION}, id="session"),
    ],
)
def test_lesson_25_each_differing_input_gives_a_different_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()


@pytest.mark.parametrize(
    "other",
    [
        {"command": "b"},
        {"command": "a", "args": ("x",)},
        {"command": "a", "env": {"TOKEN": "1"}},
        {"url": "https://a.example"},
    ],
    ids=lambda other: list(other)[-1],
)
def test_a_server_of_the_same_name_with_another_definition_gives_a_different_key(other: dict[str, Any]) -> None:
    def with_server(**definition: Any) -> str:
        return key(asking(mcp_servers=(McpServer(name="s", **definition),)))

    assert with_server(**other) != with_server(command="a")


def test_an_id_chosen_for_a_fresh_conversation_does_not_matter_in_stdin_files_and_environment() -> None:
    def with_id(native: str) -> str:
        accepted = replace(ACCEPTED, resume=Resume(native_id=NativeSessionId(native)))
        told = replace(INVOCATION, stdin=native.encode(), files={"f": native.encode()})
        return key(accepted, told, environment={"ID": native})

    assert with_id("11111111") == with_id("22222222")


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
