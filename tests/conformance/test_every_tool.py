"""Every tool, called by every client: what it answers fits what it says it answers."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from jsonschema import Draft202012Validator

from tests.conformance.calls import REFUSED, VENDORS, WAVES, Given, session
from tests.conformance.clients import Answer, connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("name", ["legacy", "auto", "inspector"])
async def test_every_tool_answers_what_it_says(name: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    absent = {f"LLM_GATEWAY_PROVIDERS_{vendor.upper()}_EXECUTABLE": str(tmp_path / vendor) for vendor in VENDORS}
    shown = {"LLM_GATEWAY_SURFACE_SHOW_ABSENT": "true"}
    env = {**os.environ, **absent, **shown, "LLM_GATEWAY_HOME": str(tmp_path / "home")}
    known: dict[str, Answer] = {}
    two = anyio.CapacityLimiter(2)
    async with connect(name, env, work) as client:
        schemas = {tool.name: tool.output_schema for tool in await client.tools()}

        async def call(tool: str, given: Given) -> None:
            async with two:
                known[tool] = await client.call(tool, given(known))

        for wave in WAVES:
            async with anyio.create_task_group() as tasks:
                for tool, given in wave.items():
                    tasks.start_soon(call, tool, given)
    assert known.keys() == schemas.keys()  # a tool that is new needs a call here
    for tool, answer in known.items():
        Draft202012Validator(schemas[tool]).validate(answer.data)
        assert answer.words
    assert {tool: answer.data["error"]["code"] for tool, answer in known.items() if answer.failed} == REFUSED
    assert known["echo_request"].words == "echo: hello"
    assert known["llm_job_result"].data["text"] == "echo: later"
    assert known["session_delete"].data["deleted"] == [session(known)]
