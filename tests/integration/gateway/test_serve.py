"""`llm-gateway serve` as a client of the protocol meets it: the command, the transport, the kernel, a real program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connect(home: Home) -> AsyncIterator[Client]:
    command = StdioServerParameters(
        command=home.python[0],
        args=[*home.python[1:], "-m", "llm_gateway.cli", "serve"],
        env=home.env,
        cwd=str(home.work),
    )
    with (home.work / "log").open("a") as log, anyio.fail_after(60):
        async with Client(stdio_client(command, errlog=log)) as client:
            yield client


async def test_lesson_63_a_client_gets_the_answer_as_text_and_as_an_object(home: Home) -> None:
    async with connect(home) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        told = await client.call_tool("echo_request", {"prompt": "hello", "workingDir": str(home.work)})
        failed = await client.call_tool("echo_request", {"prompt": "hello", "scenario": "quota"})
        refused = await client.call_tool("echo_request", {"prompt": " "})
    assert {"echo_request", "echo_request_async", "llm_job_wait", "llm_job_result"} <= tools
    assert told.content[0].text == "echo: hello"  # type: ignore[union-attr]
    assert not told.is_error
    assert told.structured_content is not None
    assert told.structured_content["text"] == "echo: hello"
    assert failed.is_error
    assert failed.structured_content is not None
    assert failed.structured_content["error"]["code"] == "quota_exhausted"
    assert failed.structured_content["error"]["resetAt"]
    assert refused.is_error
    assert "invalid_request" in refused.content[0].text  # type: ignore[union-attr]


async def test_lesson_06_what_a_client_started_before_it_left_is_there_for_the_next_one(home: Home) -> None:
    home.set(limits__running=1)
    async with connect(home) as client:
        running = await client.call_tool("echo_request_async", {"prompt": "one", "scenario": "silent", "delayMs": 900})
        waiting = await client.call_tool("echo_request_async", {"prompt": "two"})
    assert running.structured_content is not None
    assert waiting.structured_content is not None
    jobs = [running.structured_content["job"]["id"], waiting.structured_content["job"]["id"]]
    async with connect(home) as client:
        await client.call_tool("llm_job_wait", {"jobIds": jobs})
        texts = [(await client.call_tool("llm_job_result", {"jobId": job})).content[0].text for job in jobs]  # type: ignore[union-attr]
    assert texts == ["echo: one", "echo: two"]


async def test_a_client_makes_uses_and_forgets_a_conversation(home: Home) -> None:
    async with connect(home) as client:

        async def call(name: str, **arguments: object) -> dict[str, Any]:
            told = await client.call_tool(name, arguments)
            assert not told.is_error, told.content
            assert told.structured_content is not None
            return dict(told.structured_content)

        session = (await call("session_create", provider="echo", description="by hand"))["session"]
        await call("echo_request", prompt="remember blue")
        recalled = await call("echo_request", prompt="what?", scenario="recall")
        await call("session_set_active", provider="echo", sessionId=None)
        fresh = await call("echo_request", prompt="and now?", scenario="recall")
        found = await call("session_get", sessionId=session["gatewaySessionId"])
        listed = [resource.uri for resource in (await client.list_resources()).resources]
        read = await client.read_resource("sessions://echo")
        forgotten = await call("session_delete", sessionId=session["gatewaySessionId"])
        refused = await client.call_tool("session_get", {"sessionId": session["gatewaySessionId"]})
    assert recalled["text"] == "remember blue"
    assert recalled["gatewaySessionId"] == session["gatewaySessionId"]
    assert fresh["text"] == "(nothing was said before)"
    assert (found["session"]["description"], len(found["turns"])) == ("by hand", 2)
    assert {"sessions://all", "jobs://all"} <= set(map(str, listed))
    assert session["gatewaySessionId"] in read.contents[0].text  # type: ignore[union-attr]
    assert forgotten == {"deleted": [session["gatewaySessionId"]], "busy": []}
    assert refused.is_error
    assert "session_not_found" in refused.content[0].text  # type: ignore[union-attr]


async def test_a_client_learns_what_is_installed_and_how_it_is_upgraded(home: Home) -> None:
    home.env["LLM_GATEWAY_PLUGINS"] = "echo,operations,git"
    async with connect(home) as client:
        versions = await client.call_tool("cli_versions", {})
        models = await client.call_tool("list_models", {"provider": "echo"})
        approvals = await client.call_tool("approval_list", {})
        wrong = await client.call_tool("cli_upgrade", {"provider": "echo", "target": "--pre"})
    assert versions.structured_content is not None
    assert [one["version"] for one in versions.structured_content["providers"]] == ["0.1.0"]
    assert models.structured_content is not None
    assert "echo-1" in [one["id"] for one in models.structured_content["providers"][0]["models"]]
    assert approvals.structured_content == {"approvals": []}
    assert wrong.is_error
