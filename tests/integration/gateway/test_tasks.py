"""Tasks of MCP's revision 2026-07-28: a client that declared them gets one where others wait, and finds it after a restart."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client, types
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim

from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


Words = tuple[str, ...]


class Begun(types.Result):
    """What a call is answered with."""

    result_type: Literal["task"]
    task_id: str
    status: str
    ttl_ms: int
    poll_interval_ms: int
    created_at: str


class Told(types.Result):
    """What tasks/get and tasks/cancel answer."""

    result_type: Literal["complete"]
    task_id: str
    status: str
    result: dict[str, Any] | None = None


class Using(ClientExtension):
    """A client that can take tasks, and keeps the last it was given."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self) -> None:
        self.begun: Begun | None = None

    def claims(self) -> Sequence[ResultClaim[Any]]:
        async def resolve(begun: Begun, context: ClaimContext) -> types.CallToolResult:
            self.begun = begun
            return types.CallToolResult(content=[], structured_content={"status": "deferred"})

        return [ResultClaim(result_type="task", model=Begun, resolve=resolve)]


class TaskRequest(types.Request[Any, str]):
    """A request about a task."""

    method: str
    params: dict[str, Any]


async def told(client: Client, method: str, task_id: str) -> Told:
    request = TaskRequest(method=method, params={"taskId": task_id})
    return await client.session.send_request(cast("Any", request), Told)


async def ended(client: Client, task_id: str) -> Told:
    """The task once it is over; the jobs' own bounded wait saves polling."""
    await client.call_tool("llm_job_wait", {"jobIds": [task_id], "until": "all", "timeoutMs": 40_000})
    return await told(client, "tasks/get", task_id)


def quiet() -> TextIO:
    return Path(os.devnull).open("w")


@asynccontextmanager
async def connect(python: Words, home: Path, *extensions: ClientExtension) -> AsyncIterator[Client]:
    env = {**os.environ, "LLM_GATEWAY_HOME": str(home), "LLM_GATEWAY_PLUGINS": "echo,operations"}
    server = StdioServerParameters(command=python[0], args=[*python[1:], "-m", "llm_gateway.cli", "serve"], env=env)
    with quiet() as nowhere, anyio.fail_after(90):
        async with Client(stdio_client(server, errlog=nowhere), extensions=extensions) as client:
            yield client


async def test_a_request_becomes_a_task_that_a_later_gateway_answers(python: Words, tmp_path: Path) -> None:
    using = Using()
    async with connect(python, tmp_path, using) as client:
        await client.call_tool("echo_request", {"prompt": "hello", "delayMs": 500})
        begun = using.begun
        assert begun
        assert (begun.status, begun.ttl_ms) == ("working", 30 * 86_400_000)
    async with connect(python, tmp_path, using) as client:
        over = await ended(client, begun.task_id)
        assert (over.status, over.task_id) == ("completed", begun.task_id)
        assert over.result
        assert over.result["content"][0]["text"]
        assert over.result["structuredContent"]["jobId"] == begun.task_id
        assert not over.result["isError"]


async def test_a_request_that_fails_is_a_completed_task_with_an_error_in_it(python: Words, tmp_path: Path) -> None:
    using = Using()
    async with connect(python, tmp_path, using) as client:
        await client.call_tool("echo_request", {"prompt": "hello", "scenario": "quota"})
        assert using.begun
        over = await ended(client, using.begun.task_id)
        assert over.status == "completed"
        assert over.result
        assert over.result["isError"]


async def test_a_task_is_cancelled(python: Words, tmp_path: Path) -> None:
    using = Using()
    async with connect(python, tmp_path, using) as client:
        await client.call_tool("echo_request", {"prompt": "hello", "delayMs": 300_000})
        assert using.begun
        await told(client, "tasks/cancel", using.begun.task_id)
        assert (await ended(client, using.begun.task_id)).status == "cancelled"


async def test_who_has_not_declared_tasks_gets_none(python: Words, tmp_path: Path) -> None:
    async with connect(python, tmp_path) as client:
        answer = await client.call_tool("echo_request", {"prompt": "hello"})
        assert answer.structured_content
        assert answer.structured_content["status"] == "completed"
        with pytest.raises(MCPError) as refused:
            await told(client, "tasks/get", answer.structured_content["jobId"])
        assert refused.value.error.code == -32021


async def test_an_unknown_task_and_a_wrong_request_are_refused(python: Words, tmp_path: Path) -> None:
    async with connect(python, tmp_path, using := Using()) as client:
        with pytest.raises(MCPError) as unknown:
            await told(client, "tasks/get", "job-0")
        assert unknown.value.error.code == -32602
        wrong = await client.call_tool("echo_request", {})
        assert wrong.is_error
        assert using.begun is None


async def test_lesson_116_a_task_of_another_principal_is_unknown(python: Words, tmp_path: Path) -> None:
    home = Home(tmp_path, python)
    home.env["LLM_GATEWAY_PLUGINS"] = "echo,operations"
    async with home.open() as local:
        alice = local.other("alice")
        running, over = await alice.start("hang", scenario="hang"), (await alice.ask("hello"))["jobId"]
        async with connect(home.python, home.path, Using()) as client:
            for job in (running, over):
                for method in ("tasks/get", "tasks/cancel"):
                    with pytest.raises(MCPError) as unknown:
                        await told(client, method, job)
                    assert unknown.value.error.code == -32602
                    assert unknown.value.error.message == f"there is no job {job}"
        assert await alice.state(running) == "running"
