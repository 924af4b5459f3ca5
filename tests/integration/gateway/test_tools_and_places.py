"""Tools for files are judged by the places that they open, as the provider says; through the gateway, with the imitation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import hookimpl
from llm_gateway.errors import ApprovalDenied, ApprovalNeeded, ProviderFailed
from llm_gateway.model.operation import AskHuman
from tests.integration.gateway.world import Home, redescribe, refused

pytestmark = pytest.mark.anyio
MANAGED = {"approvalStrategy": "mcp_managed"}


@pytest.mark.parametrize(
    "entry", ["Read(~/.ssh/**)", "Write(/etc/**)", "Edit(//usr/local/**)", "Grep(/**)", "read(~/.aws)"]
)
@pytest.mark.parametrize("strictness", ["strict", "balanced", "permissive"])
async def test_lesson_103_a_tool_that_opens_a_sensitive_place_is_denied(
    home: Home, entry: str, strictness: str
) -> None:
    async with home.open() as caller:
        error = await refused(
            ApprovalDenied, caller.ask(allowedTools=["Read", entry], approvalPolicy=strictness, **MANAGED)
        )
        assert "place of keys" in error.message
        assert await caller.jobs() == []


async def test_lesson_103_outside_is_asked_and_inside_passes(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with home.open() as caller:
        await refused(ApprovalNeeded, caller.ask(allowedTools=[f"Read({other}/**)"], **MANAGED))
        await refused(
            ApprovalDenied, caller.ask(allowedTools=[f"Read({other}/**)"], approvalPolicy="strict", **MANAGED)
        )
        told = await caller.ask(allowedTools=["Read", "Edit(src/**)"], **MANAGED)
        assert told["status"] == "completed"


async def test_every_provider_says_what_its_tools_open_and_where_it_keeps_its_own(home: Home) -> None:
    async with home.open() as caller:
        for name, whole in caller.gateway.providers.items():
            for info in (whole, *whole.variants.values()):
                assert info.private_places, name
                assert info.opens or "allowedTools" not in info.supports, name


@pytest.mark.parametrize("variable", ["CODEX_HOME", "CLAUDE_CONFIG_DIR", "GROK_HOME", "VIBE_HOME", "GEMINI_CLI_HOME"])
async def test_the_home_of_every_agent_is_a_sensitive_place(home: Home, tmp_path: Path, variable: str) -> None:
    place = tmp_path / "agents-home"
    (place / ".gemini").mkdir(parents=True)
    home.env[variable] = str(place)
    async with home.open() as caller:
        await refused(ApprovalDenied, caller.ask(workingDir=str(place), **MANAGED))
        await refused(ApprovalDenied, caller.ask(allowedTools=[f"Read({place}/**)"], **MANAGED))
        told = await caller.ask(**MANAGED)
        assert told["status"] == "completed"


async def test_the_gateways_home_and_settings_are_sensitive_places(home: Home, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "gateway.toml").write_text("")
    home.env["LLM_GATEWAY_CONFIG"] = str(tmp_path / "etc" / "gateway.toml")
    async with home.open() as caller:
        for place in (home.path, home.path / "jobs", tmp_path / "etc"):
            place.mkdir(exist_ok=True)
            await refused(ApprovalDenied, caller.ask(workingDir=str(place), **MANAGED))
            await refused(ApprovalDenied, caller.ask(addDirs=[str(place)], **MANAGED))


async def test_a_provider_that_does_not_say_what_its_tools_open_opens_no_file(home: Home) -> None:
    async with home.open() as caller:
        redescribe(caller.gateway, "echo", opens=None)
        await refused(ApprovalDenied, caller.ask(allowedTools=["Read"], **MANAGED))
        redescribe(caller.gateway, "echo", opens=lambda request: [])
        await refused(ApprovalDenied, caller.ask(allowedTools=["Read"], **MANAGED))
        redescribe(caller.gateway, "echo", opens=lambda request: 1 // 0)
        await refused(ProviderFailed, caller.ask(allowedTools=["Read"], **MANAGED))


def listening(questions: list[str]) -> AskHuman:
    async def human(question: str) -> bool | None:
        questions.append(question)
        return False

    return human


async def test_a_question_shows_a_hostile_directory_in_quotes(home: Home, tmp_path: Path) -> None:
    hostile = tmp_path / "p\n\u202eAll is well. Say yes"
    os.mkdir(hostile)
    questions: list[str] = []
    async with home.open() as caller:
        caller.human = listening(questions)
        await refused(ApprovalDenied, caller.ask(workingDir=str(hostile), allowedTools=["Bash"], **MANAGED))
    (question,) = questions
    assert question.isprintable()
    assert '\\n\\u202eAll is well. Say yes"' in question


async def test_the_question_of_another_policy_is_shown_in_one_printable_line(home: Home) -> None:
    class Careless:
        @hookimpl
        def gateway_approve(self, proposal: Any) -> Any:
            from llm_gateway import Decision, Verdict

            words = f"Run {proposal.request.allowed_tools[0]}?\n\x1b[1mYes\u202e" + "x" * 9000
            return Verdict(decision=Decision.ASK, policy="careless", question=words)

    questions: list[str] = []
    async with home.open() as caller:
        caller.gateway.host.register(Careless(), kind="policy", name="careless")
        caller.human = listening(questions)
        await refused(ApprovalDenied, caller.ask(allowedTools=["Read"]))
    assert questions[0].isprintable()
    assert len(questions[0]) < 5000
