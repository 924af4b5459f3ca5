"""`llm-gateway serve` as a client of the protocol meets it: the command, the transport, the kernel, a real program."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connect(home: Home) -> AsyncIterator[Client]:
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "llm_gateway.cli", "serve"], env=home.env, cwd=str(home.work)
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
