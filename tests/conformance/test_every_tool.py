"""Every tool, called by every client: what it answers fits what it says it answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator

from tests.conformance.clients import Answer, connect

pytestmark = pytest.mark.anyio
VENDORS = ("claude", "codex", "gemini", "grok", "mistral")
#: What was answered so far, by tool.
Known = Mapping[str, Answer]
Given = Callable[[Known], dict[str, Any]]
REVIEW = {"providers": ["echo"], "text": "A text.", "timeoutMs": 20_000}


def job(known: Known) -> str:
    return str(known["echo_request_async"].data["job"]["id"])


def session(known: Known) -> str:
    return str(known["session_create"].data["session"]["gatewaySessionId"])


def review_id(known: Known) -> str:
    return str(known["review"].data["reviewId"])


#: Each wave may use what the ones before it told.
WAVES: tuple[dict[str, Given], ...] = (
    {
        "echo_request": lambda known: {"prompt": "hello"},
        "echo_request_async": lambda known: {"prompt": "later"},
        "session_create": lambda known: {"provider": "echo", "description": "one of many"},
        "review": lambda known: REVIEW,
        "review_until_approved": lambda known: {**REVIEW, "implementer": "echo", "maxRounds": 1},
        "ask_many": lambda known: {"providers": ["echo"], "prompt": "One?"},
        "consensus": lambda known: {"providers": ["echo", "echo:echo-1-mini"], "prompt": "Two?"},
        "list_models": lambda known: {},
        "cli_versions": lambda known: {},
        "cli_upgrade": lambda known: {"provider": "claude"},
        "llm_process_health": lambda known: {},
        "approval_list": lambda known: {"limit": 5},
        **{f"{vendor}_request": lambda known: {"prompt": "hello"} for vendor in VENDORS},
        **{f"{vendor}_request_async": lambda known: {"prompt": "hello"} for vendor in VENDORS},
    },
    {
        "llm_job_wait": lambda known: {"jobIds": [job(known)], "until": "all", "timeoutMs": 20_000},
        "session_get": lambda known: {"sessionId": session(known)},
        "session_set_active": lambda known: {"provider": "echo", "sessionId": session(known)},
        "session_list": lambda known: {"provider": "echo"},
        "review_wait": lambda known: {"reviewId": review_id(known), "timeoutMs": 20_000},
    },
    {
        "llm_job_status": lambda known: {"jobId": job(known)},
        "llm_job_result": lambda known: {"jobId": job(known)},
        "llm_job_cancel": lambda known: {"jobId": job(known)},
        "llm_job_list": lambda known: {"status": "completed"},
        "review_result": lambda known: {"reviewId": review_id(known), "format": "json"},
        "review_cancel": lambda known: {"reviewId": review_id(known)},
        "session_delete": lambda known: {"sessionId": session(known)},
    },
    {"session_clear_all": lambda known: {"provider": "echo"}},
)
#: Here nobody has installed these; `tests/real_clis` asks the real ones.
REFUSED = {f"{vendor}_request{after}": "not_installed" for vendor in VENDORS for after in ("", "_async")}
REFUSED["cli_upgrade"] = "invalid_request"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("name", ["legacy", "auto", "inspector"])
async def test_every_tool_answers_what_it_says(name: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    absent = {f"LLM_GATEWAY_PROVIDERS_{vendor.upper()}_EXECUTABLE": str(tmp_path / vendor) for vendor in VENDORS}
    env = {**os.environ, **absent, "LLM_GATEWAY_HOME": str(tmp_path / "home")}
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
