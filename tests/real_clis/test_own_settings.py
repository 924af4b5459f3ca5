"""A run of the gateway and the bare program in the same directory and home: same model, service, account and instructions, and
nothing that starts by itself or opens more than the posture does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llm_gateway import Posture, trust
from tests.real_clis.own.claude import Claude
from tests.real_clis.own.codex import Codex
from tests.real_clis.own_settings import OwnSettings

if TYPE_CHECKING:
    from tests.conftest import ModelServer

CASES: tuple[type[OwnSettings], ...] = (Claude, Codex)
#: What a posture lets a run write: the prompts' files.
WRITES = {
    Posture.READ_ONLY: set[str](),
    Posture.PLAN: set[str](),
    Posture.PROMPTED: set[str](),
    Posture.ACCEPT_EDITS: {"in-edit.txt"},
}


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest, model_server: ModelServer) -> OwnSettings:
    made: OwnSettings = request.param(request.getfixturevalue(request.param.name), model_server)
    made.settings()
    return made


def test_model_service_and_account_are_those_of_the_bare_program(case: OwnSettings) -> None:
    bare, ours = case.ask_bare(), case.ask()
    assert ours.model == bare.model == case.model
    assert ours.headers == bare.headers
    assert any(bare.headers.values())


def test_instructions_are_those_of_the_bare_program_in_its_order(case: OwnSettings) -> None:
    case.write_instructions()
    for sent in (case.ask_bare(), case.ask(), case.ask(posture=Posture.READ_ONLY)):
        places = [sent.text.find(words) for words in case.instructions]
        assert -1 not in places, [words for words in case.instructions if words not in sent.text]
        assert places == sorted(places)


def test_instructions_can_be_left_out(case: OwnSettings) -> None:
    case.write_instructions()
    left_out = set(case.instructions) - set(case.kept)
    sent = case.ask(instructions=False)
    assert [words for words in left_out if words in sent.text] == []
    case.gateway(instructions=False)
    sent = case.ask()
    assert [words for words in left_out if words in sent.text] == []


def test_an_isolated_run_has_the_projects_instructions_and_nothing_of_the_user(case: OwnSettings) -> None:
    case.write_instructions()
    case.serve_without_settings(config="isolated")
    sent = case.ask()
    assert [words for words in case.project if words not in sent.text] == []
    users = set(case.instructions) - set(case.project) - set(case.kept)
    assert [words for words in users if words in sent.text] == []
    assert sent.model != case.model
    assert sent.headers[case.own_header] == ""


def test_hooks_of_the_user_start_only_where_the_operator_says_so(case: OwnSettings) -> None:
    case.user_hooks()
    case.ask()
    assert not case.ran.exists()
    case.gateway(user_hooks=True)
    case.ask()
    assert case.ran.exists()


def test_servers_of_the_user_start_only_where_the_operator_says_so_and_this_gateway_never(case: OwnSettings) -> None:
    case.user_servers()
    case.ask()
    assert not case.ran.exists()
    case.gateway(user_mcp_servers=True)
    case.ask()
    assert case.ran.exists()
    assert not (case.agent.folder / "gateway-ran").exists()


@pytest.mark.parametrize("config", ["user", "project"])
def test_a_hostile_project_that_nobody_trusts_changes_nothing(case: OwnSettings, config: str) -> None:
    case.project_settings("model-of-the-project", hostile=True)
    case.gateway(config=config)
    assert case.ask().model == case.model
    assert not case.ran.exists()


def test_a_hostile_project_changes_nothing_in_an_isolated_run(case: OwnSettings) -> None:
    case.project_settings("model-of-the-project", hostile=True)
    case.serve_without_settings(config="isolated")
    assert case.ask().model not in (case.model, "model-of-the-project")
    assert not case.ran.exists()


def test_settings_of_a_trusted_project_apply_without_its_hooks_and_servers(case: OwnSettings) -> None:
    case.project_settings("model-of-the-project", hostile=False)
    case.gateway(config="project")
    trust.add(case.agent.folder / "gateway", str(case.repository))
    assert case.ask().model == "model-of-the-project"
    assert not case.ran.exists()


@pytest.mark.parametrize("posture", WRITES, ids=lambda posture: posture.value)
def test_lax_settings_of_the_user_write_no_more_than_the_posture(case: OwnSettings, posture: Posture) -> None:
    if posture not in case.agent.info.postures:
        pytest.skip("it cannot enforce this posture")
    case.lax()
    tries = case.tries()
    for prompt in tries.values():
        case.agent.ask(prompt, posture)
    assert {path.name for path in tries if path.exists()} <= WRITES[posture]
    if posture is Posture.ACCEPT_EDITS:
        assert {path.name for path in tries if path.exists()} == WRITES[posture], "every call was made"
