"""The human behind a client is asked, by the real command and the SDK's own clients, in both eras of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client, types

from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio
Given = dict[str, Any]


class Person:
    """Somebody at a client, who answers as told."""

    def __init__(self, action: str = "accept", **content: Any) -> None:
        self.questions: list[str] = []
        self._result = types.ElicitResult.model_validate({"action": action, "content": content or None})

    async def __call__(self, _context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestFormParams)
        assert list(params.requested_schema["properties"]) == ["approve"]
        self.questions.append(params.message)
        return self._result


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def connect(home: Home, mode: str, person: Person | None) -> AsyncIterator[Client]:
    command = StdioServerParameters(
        command=home.python[0],
        args=[*home.python[1:], "-m", "llm_gateway.cli", "serve"],
        env=home.env,
        cwd=str(home.work),
    )
    with (home.work / "log").open("a") as log, anyio.fail_after(60):
        async with Client(stdio_client(command, errlog=log), mode=mode, elicitation_callback=person) as client:
            yield client


def risky(home: Home, **more: Any) -> Given:
    return home.asking(
        "hello", {"approvalStrategy": "mcp_managed", "allowedTools": ["Bash"], "forceRefresh": True, **more}
    )


def decided(home: Home) -> list[str]:
    return [row[0].decode() for row in home.rows("SELECT doc FROM verdicts ORDER BY seq")]


async def test_what_the_human_approves_runs_once(home: Home, mode: str) -> None:
    person = Person(approve=True)
    async with connect(home, mode, person) as client:
        told = await client.call_tool("echo_request", risky(home))
        started = await client.call_tool("echo_request_async", risky(home))
        assert started.structured_content is not None
        await client.call_tool("llm_job_wait", {"jobIds": [started.structured_content["job"]["id"]]})
    assert told.structured_content is not None
    assert told.structured_content["text"] == "echo: hello"
    assert told.structured_content["approval"]["policy"] == "human"
    assert home.rows("SELECT count(*) FROM jobs") == [(2,)]
    assert len(person.questions) == 2
    assert "opens the shell for any program (Bash)" in person.questions[0]
    assert [('"human"' in one, '"allow"' in one) for one in decided(home)] == [(False, False), (True, True)] * 2


async def test_progress_may_be_wanted_of_a_call_that_asks(home: Home, mode: str) -> None:
    async def hear(progress: float, total: float | None, message: str | None) -> None:
        pass

    async with connect(home, mode, Person(approve=True)) as client:
        told = await client.call_tool("echo_request", risky(home), progress_callback=hear)
    assert not told.is_error


@pytest.mark.parametrize(
    ("person", "code"),
    [
        (Person("accept", approve=False), "approval_denied"),
        (Person("accept"), "approval_denied"),
        (Person("decline"), "approval_denied"),
        (Person("cancel"), "approval_needed"),
        (None, "approval_needed"),
    ],
    ids=["no", "nothing said", "declined", "closed", "nobody there"],
)
async def test_without_a_yes_nothing_runs(home: Home, mode: str, person: Person | None, code: str) -> None:
    async with connect(home, mode, person) as client:
        told = await client.call_tool("echo_request", risky(home))
    assert told.is_error
    assert told.structured_content is not None
    assert told.structured_content["error"]["code"] == code
    assert "opens the shell for any program (Bash)" in told.structured_content["error"]["message"]
    assert home.rows("SELECT count(*) FROM jobs") == [(0,)]
    assert any('"human"' in one for one in decided(home)) == (code == "approval_denied")


async def test_a_denial_is_not_put_to_the_human(home: Home, mode: str) -> None:
    person = Person(approve=True)
    async with connect(home, mode, person) as client:
        told = await client.call_tool("echo_request", risky(home, posture="bypass"))
    assert told.structured_content is not None
    assert told.structured_content["error"]["code"] == "approval_denied"
    assert person.questions == []


async def test_lesson_51_an_answer_is_good_for_one_call_and_for_no_other(home: Home) -> None:
    yes = {"approve": types.ElicitResult(action="accept", content={"approve": True})}
    async with connect(home, "auto", Person(approve=True)) as client:

        async def call(given: Given, state: str | None) -> types.CallToolResult | types.InputRequiredResult:
            return await client.session.call_tool(
                "echo_request",
                given,
                input_responses=yes if state else None,
                request_state=state,
                allow_input_required=True,
            )

        async def refused(given: Given, state: str | None) -> None:
            with pytest.raises(MCPError, match="requestState"):
                await call(given, state)

        first = await call(risky(home), None)
        assert isinstance(first, types.InputRequiredResult)
        await refused(risky(home, allowedTools=["Bash", "WebFetch"]), first.request_state)
        await refused(risky(home), "made up")
        second = await call(risky(home), None)
        assert isinstance(second, types.InputRequiredResult)
        assert isinstance(await call(risky(home), second.request_state), types.CallToolResult)
        await refused(risky(home), second.request_state)
    assert home.rows("SELECT count(*) FROM jobs") == [(1,)]
