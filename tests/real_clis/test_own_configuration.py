"""What the user and a project have configured in a CLI: what applies to runs of the gateway, and what starts nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llm_gateway import Posture, trust
from tests.real_clis.planted import (
    GROK_MODEL,
    PLANT,
    PYTHON,
    VIBE_SETTINGS,
    bare,
    fill,
    forget,
    plant_for_gemini,
    plant_for_grok,
    plant_for_mistral,
    ran,
    state,
)
from tests.real_clis.tools import shell, write

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import Outcome, RealAgent


def denied_tools(outcome: Outcome) -> set[str]:
    return {
        str(name)
        for notice in outcome.summary.notices
        if notice.code == "permission_denied"
        for name in notice.details["tools"]  # type: ignore[attr-defined]
    }


def first_request(model_server: ModelServer, name: str) -> dict[str, Any]:
    """The first request with a prompt that went to this model."""
    entries = model_server.log(bodies=True)
    return next(e for e in entries if "words" in e and e.get("model") == name)


@dataclass(frozen=True, kw_only=True)
class Own:
    """Where a program finds what its user and a project configured."""

    settings: str  #: the folder of the user's settings, in the home
    instructions: str  #: the name of its instruction files
    hooks: frozenset[str]  #: traps that start with `user_hooks`; of the project, too
    servers: frozenset[str]  #: traps that start with `user_mcp_servers`
    service: Callable[[str], dict[str, str]]  #: the environment of a service that the user's settings do not name


OWN = {
    "grok": Own(
        settings=".grok",
        instructions="AGENTS.md",
        hooks=frozenset({"hook-file", "config-hook", "project-hook"}),
        servers=frozenset({"server", "project-server"}),
        service=lambda url: {"GROK_XAI_API_BASE_URL": f"{url}/v1", "XAI_API_KEY": "any"},
    ),
    "mistral": Own(
        settings=".vibe",
        instructions="AGENTS.md",
        hooks=frozenset({"hook", "project-hook"}),
        servers=frozenset({"server", "project-server"}),
        service=lambda url: {
            "VIBE_PROVIDERS": json.dumps(
                [{"name": "mistral", "api_base": f"{url}/v1", "api_key_env_var": "MISTRAL_API_KEY"}]
            ),
            "MISTRAL_API_KEY": "any",
        },
    ),
}
OWN["gemini"] = Own(
    settings=".gemini",
    instructions="GEMINI.md",
    hooks=frozenset({"hook"}),
    servers=frozenset({"server", "project-server"}),
    service=lambda url: {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": "any"},
)
each_program = pytest.mark.parametrize("name", OWN)


@pytest.fixture
def own_agent(name: str, request: pytest.FixtureRequest) -> RealAgent:
    """A program with settings of its user's own."""
    agent: RealAgent = request.getfixturevalue(f"users_{name}")
    return agent


def operator(agent: RealAgent, **keys: Any) -> None:
    """Set keys of `[providers.<name>]`."""
    (agent.folder / "gateway").mkdir(mode=0o700, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in keys.items()]
    (agent.folder / "gateway/config.toml").write_text(f"[providers.{agent.name}]\n" + "".join(lines))


def sent(model_server: ModelServer) -> str:
    """The last request with a prompt."""
    return json.dumps([entry for entry in model_server.log(bodies=True) if "words" in entry][-1]["body"])


def write_instructions(agent: RealAgent) -> list[Path]:
    """Instruction files of the user and of the repository, one of them a link out of it. The agent's directory is below its top."""
    own = OWN[agent.name]
    home, top = agent.folder / "home", agent.work
    (top / "sub").mkdir()
    (top / ".git").mkdir()
    fill(home, {f"{own.settings}/{own.instructions}": "word-of-the-user"})
    fill(top, {own.instructions: "word-of-the-top"})
    fill(agent.folder, {"secret.md": "word-of-elsewhere"})
    (top / "sub" / own.instructions).symlink_to(agent.folder / "secret.md")
    return [path for path in (*home.rglob("*"), *top.rglob("*")) if path.is_file()]


@each_program
def test_instruction_files_always_apply_and_a_link_out_of_the_repository_is_named(
    own_agent: RealAgent, model_server: ModelServer
) -> None:
    files = write_instructions(own_agent)
    before = state(*files)
    outcome = own_agent.ask("SAY:x", working_dir=str(own_agent.work / "sub"))
    assert outcome.error is None
    first = sent(model_server)
    assert "word-of-the-top" in first
    before_project = first.partition("word-of-the-top")[0]
    # Gemini CLI has the user's in the system instruction, which comes last in its requests.
    assert "word-of-the-user" in (first if own_agent.name == "gemini" else before_project)
    assert ("word-of-elsewhere" in first) == (own_agent.name in FOLLOW_LINKS)
    assert "instruction_link" in {notice.code for notice in outcome.notices}
    again = own_agent.ask("SAY:y", after=outcome.summary.native_id, working_dir=str(own_agent.work / "sub"))
    assert again.error is None
    assert "word-of-the-top" in sent(model_server)
    assert (again.summary.usage.cache_read_tokens or 0) > 5_000
    operator(own_agent, instructions=False)
    assert own_agent.ask("SAY:z", working_dir=str(own_agent.work / "sub")).error is None
    assert "word-of-the" not in sent(model_server)
    assert state(*files) == before


@each_program
def test_isolated_has_no_settings_of_the_user_and_the_projects_instructions(
    own_agent: RealAgent, model_server: ModelServer
) -> None:
    write_instructions(own_agent)
    own_agent.environ |= OWN[own_agent.name].service(model_server.url)
    operator(own_agent, config="isolated")
    assert own_agent.ask("SAY:x", working_dir=str(own_agent.work / "sub")).error is None
    assert [entry["model"] for entry in model_server.log() if "words" in entry].count("m-mine") == 0
    first = sent(model_server)
    assert "word-of-the-user" not in first
    assert "word-of-the-top" in first


@each_program
def test_the_operator_can_let_hooks_and_servers_start_and_no_rule_allows_more(
    own_agent: RealAgent, model_server: ModelServer
) -> None:
    files = PLANT[own_agent.name](own_agent, model_server.url)
    before = state(*files)
    operator(own_agent, config="project", user_hooks=True, user_mcp_servers=True)
    trust.add(own_agent.folder / "gateway", str(own_agent.work))
    outside = own_agent.folder / "outside.txt"
    outcome = own_agent.ask("\n".join([write(own_agent.name, outside), shell(own_agent.name, f"touch {outside}")]))
    own = OWN[own_agent.name]
    assert own.hooks | own.servers <= set(ran(own_agent.folder)), outcome
    assert not outside.exists()
    assert state(*files) == before


#: Programs that read instruction files themselves, through links out of the repository.
FOLLOW_LINKS = {"gemini"}


@pytest.fixture
def users_grok(grok: RealAgent, model_server: ModelServer) -> RealAgent:
    """Grok with settings, login and service of the user's own; nothing in the environment names the service."""
    for name in ("GROK_XAI_API_BASE_URL", "XAI_API_KEY", "GROK_HOME"):
        del grok.environ[name]
    fill(grok.folder / "home/.grok", {"config.toml": GROK_MODEL.format(url=model_server.url)})
    return grok


@pytest.mark.parametrize("posture", [Posture.PROMPTED, Posture.ACCEPT_EDITS], ids=lambda posture: posture.value)
def test_grok_asks_the_users_model_and_starts_nothing_that_user_or_project_configured(
    posture: Posture, users_grok: RealAgent, model_server: ModelServer
) -> None:
    files = plant_for_grok(users_grok, model_server.url)
    said = bare(users_grok, "--permission-mode=default", "-p", "SAY:bare")
    expected = {"hook-file", "config-hook", "server", "project-hook", "project-server", "envrc"}
    assert expected <= set(forget(users_grok.folder)), said
    before = state(*files)
    outside = users_grok.folder / "outside.txt"
    python = f"{PYTHON} -c \"open('{outside}', 'w')\""
    outcome = users_grok.ask("\n".join([write("grok", outside), shell("grok", "ls")]), posture)
    assert outcome.error is None
    shelled = users_grok.ask(shell("grok", python), posture)
    assert shelled.error == (None if posture is Posture.ACCEPT_EDITS else "tool_denied")
    assert ran(users_grok.folder) == []
    assert not outside.exists()
    assert state(*files) == before
    assert first_request(model_server, "m-mine")


@pytest.fixture
def users_mistral(mistral: RealAgent, model_server: ModelServer) -> RealAgent:
    """Vibe with settings, key and service of the user's own; nothing in the environment names the service."""
    for name in ("VIBE_HOME", "VIBE_PROVIDERS", "VIBE_MODELS", "VIBE_ACTIVE_MODEL", "MISTRAL_API_KEY"):
        del mistral.environ[name]
    settings = VIBE_SETTINGS.format(url=model_server.url)
    fill(mistral.folder / "home/.vibe", {"config.toml": settings, ".env": "KEY_OF_MINE=key-of-the-file\n"})
    return mistral


def test_vibe_asks_the_users_model_and_starts_nothing_that_user_or_project_configured(
    users_mistral: RealAgent, model_server: ModelServer
) -> None:
    files = plant_for_mistral(users_mistral, model_server.url)
    said = bare(users_mistral, "--output=text", "-p", words="SAY:bare")
    assert {"hook", "project-hook", "project-server"} <= set(forget(users_mistral.folder)), said
    before = state(*files)
    outside = users_mistral.folder / "outside.txt"
    python = f"{PYTHON} -c \"open('{outside}', 'w')\""
    tries = [write("mistral", outside), shell("mistral", f"touch {outside}"), shell("mistral", python)]
    outcome = users_mistral.ask("\n".join(tries))
    assert outcome.error is None
    assert denied_tools(outcome) == {"file_system.bash", "file_system.write_file"}
    assert ran(users_mistral.folder) == []
    assert not outside.exists()
    assert [entry["model"] for entry in model_server.log() if "words" in entry].count(
        "m-theirs"
    ) == 1  # the bare program's
    asked = first_request(model_server, "m-mine")
    assert asked["body"]["reasoning_effort"] == "high"
    again = users_mistral.ask("HISTORY", after=outcome.summary.native_id)
    assert "TOOL:write_file" in again.text
    assert state(*files) == before


@pytest.fixture
def users_gemini(gemini: RealAgent, model_server: ModelServer) -> RealAgent:
    """Gemini CLI with settings, key and service of the user's own; nothing in the environment names the service."""
    for name in ("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY"):
        del gemini.environ[name]
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "model": {"name": "m-mine"},
        "context": {"fileName": ["MINE.md", "GEMINI.md"]},
    }
    words = f"GEMINI_API_KEY=key-of-the-file\nGOOGLE_GEMINI_BASE_URL={model_server.url}\n"
    fill(gemini.folder / "home/.gemini", {"settings.json": json.dumps(settings), ".env": words})
    return gemini


def test_gemini_asks_the_users_model_and_starts_nothing_that_user_or_project_configured(
    users_gemini: RealAgent, model_server: ModelServer
) -> None:
    files = plant_for_gemini(users_gemini, model_server.url)
    said = bare(users_gemini, "-p", "SAY:bare")
    assert {"hook", "server", "extension", "project-server"} <= set(forget(users_gemini.folder)), said
    before = state(*files)
    outside = users_gemini.folder / "outside.txt"
    outcome = users_gemini.ask("\n".join([write("gemini", outside), shell("gemini", f"touch {outside}")]))
    assert outcome.error is None
    assert ran(users_gemini.folder) == []
    assert not outside.exists()
    assert first_request(model_server, "m-mine")
    assert state(*files) == before


def test_names_of_instruction_files_in_the_users_settings_count_in_gemini(
    users_gemini: RealAgent, model_server: ModelServer
) -> None:
    fill(users_gemini.work, {"MINE.md": "word-of-mine @./imported.md", "imported.md": "word-of-the-import"})
    assert users_gemini.ask("SAY:x").error is None
    assert "word-of-mine" in sent(model_server)
    assert "word-of-the-import" in sent(model_server)
