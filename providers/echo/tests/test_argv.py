"""The command line: no value of a caller is read as a flag."""

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from llm_gateway import McpServer, NativeSessionId, Posture, Prompt, Request, Resume
from llm_gateway_provider_echo.agent.arguments import POSTURES, Arguments
from llm_gateway_provider_echo.agent.scenarios import SCENARIOS
from llm_gateway_provider_echo.argv import build_invocation
from llm_gateway_provider_echo.options import EchoOptions, Scenario

UUID = NativeSessionId("0a1b2c3d-0000-4000-8000-00000000abcd")
PLAIN = Request(provider="echo", prompt=Prompt(text="hello"), options=EchoOptions(), working_dir="/tmp")
words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


def parsed(request: Request, posture: Posture = Posture.PROMPTED) -> Arguments:
    invocation = build_invocation(request, posture, Resume())
    return Arguments(list(invocation.argv[1:]))


def test_without_options_only_the_posture_is_passed() -> None:
    invocation = build_invocation(PLAIN, Posture.PLAN, Resume())
    assert invocation.argv == ("llm-gateway-echo", "--posture=plan")
    assert invocation.stdin == b"hello"


def test_a_new_conversation_gets_the_chosen_id() -> None:
    assert f"--session-id={UUID}" in build_invocation(PLAIN, Posture.PLAN, Resume(native_id=UUID)).argv


def test_a_known_conversation_is_resumed() -> None:
    assert f"--resume={UUID}" in build_invocation(PLAIN, Posture.PLAN, Resume(native_id=UUID, fresh=False)).argv


@given(prompt=words)
def test_lesson_78_no_prompt_reaches_argv(prompt: str) -> None:
    marked = "canary " + prompt
    invocation = build_invocation(replace(PLAIN, prompt=Prompt(text=marked)), Posture.PROMPTED, Resume())
    assert not any("canary" in word for word in invocation.argv)
    assert invocation.stdin == marked.encode()


@given(model=words.filter(bool), tools=st.lists(words), denied=st.lists(words), dirs=st.lists(words))
def test_lesson_78_no_value_is_read_as_a_flag(model: str, tools: list[str], denied: list[str], dirs: list[str]) -> None:
    request = replace(
        PLAIN, model=model, allowed_tools=tuple(tools), disallowed_tools=tuple(denied), add_dirs=tuple(dirs)
    )
    arguments = parsed(request)
    assert (arguments.model, arguments.scenario, arguments.resume) == (model, "echo", "")
    assert (arguments.allow_tools, arguments.deny_tools, arguments.add_dirs) == (tools, denied, dirs)


@given(
    scenario=st.sampled_from(get_args(Scenario)),
    amount=st.integers(0, 10**9),
    delay=st.integers(0, 86_400_000),
    on_term=st.sampled_from(["exit", "ignore", "flush"]),
    posture=st.sampled_from(list(Posture)),
)
def test_the_program_understands_every_option(
    scenario: Scenario, amount: int, delay: int, on_term: str, posture: Posture
) -> None:
    options = EchoOptions.model_validate({"scenario": scenario, "amount": amount, "delayMs": delay, "onTerm": on_term})
    arguments = parsed(replace(PLAIN, options=options), posture)
    assert (arguments.scenario, arguments.amount, arguments.on_term) == (scenario, amount, on_term)
    assert arguments.delay_s == pytest.approx(delay / 1000)
    assert arguments.posture == posture.value


def test_options_and_program_know_the_same_scenarios() -> None:
    assert set(get_args(Scenario)) == set(SCENARIOS)


def test_kernel_and_program_know_the_same_postures() -> None:
    assert tuple(posture.value for posture in Posture) == POSTURES


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError, match="scenery"):
        EchoOptions.model_validate({"scenery": "flood"})


def test_the_schema_stays_small() -> None:
    assert len(json.dumps(EchoOptions.model_json_schema())) < 1100


def test_mcp_servers_go_into_a_file_and_their_secrets_not_into_argv() -> None:
    servers = (
        McpServer(name="local", command="serve", args=("--fast",), env={"KEY": "secret"}),
        McpServer(name="far", url="https://example.org/mcp"),
    )
    invocation = build_invocation(replace(PLAIN, mcp_servers=servers), Posture.PLAN, Resume())
    assert "--mcp-config={run_files}/mcp.json" in invocation.argv
    assert "secret" not in " ".join(invocation.argv)
    assert json.loads(invocation.files["mcp.json"]) == {
        "mcpServers": {
            "local": {"command": "serve", "args": ["--fast"], "env": {"KEY": "secret"}},
            "far": {"url": "https://example.org/mcp"},
        }
    }


def test_a_lone_surrogate_does_not_stop_a_request() -> None:
    invocation = build_invocation(replace(PLAIN, prompt=Prompt(text="\ud800")), Posture.PLAN, Resume())
    assert invocation.stdin == b"\xed\xa0\x80"
