"""What the user and a project have configured in a CLI: what applies to runs of the gateway, and what starts nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llm_gateway import ConfigSource, Posture
from tests.real_clis.tools import shell, write

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import Outcome, RealAgent

PYTHON = "/usr/bin/python3"


def trap(folder: Path, name: str) -> str:
    """A program that leaves a mark, `<name>-ran`, when it is started."""
    program = folder / f"{name}.sh"
    program.write_text(f"#!/bin/sh\ntouch '{folder}/{name}-ran'\n")
    program.chmod(0o755)
    return str(program)


def ran(folder: Path) -> list[str]:
    """The traps that were started."""
    return sorted(path.name.removesuffix("-ran") for path in folder.glob("*-ran"))


def forget(folder: Path) -> list[str]:
    """The traps that were started, which are set again."""
    names = ran(folder)
    for name in names:
        (folder / f"{name}-ran").unlink()
    return names


def bare(agent: RealAgent, *arguments: str, words: str = "") -> str:
    """Run the program as its user does, without the gateway. What it prints."""
    done = subprocess.run(
        [str(agent.program), *arguments],
        cwd=agent.work,
        env=agent.environ,
        input=words.encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def state(*paths: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything that a file of the user has, so that two states can be compared."""
    found = {}
    for path in paths:
        about = os.lstat(path)
        found[str(path)] = (about.st_ino, about.st_mode, about.st_mtime_ns, path.read_bytes())
    return found


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
    own_agent.chosen = {"instructions": False}
    assert own_agent.ask("SAY:z", working_dir=str(own_agent.work / "sub")).error is None
    assert "word-of-the" not in sent(model_server)
    assert state(*files) == before


@each_program
def test_isolated_has_no_settings_of_the_user_and_the_projects_instructions(
    own_agent: RealAgent, model_server: ModelServer
) -> None:
    write_instructions(own_agent)
    own_agent.environ |= OWN[own_agent.name].service(model_server.url)
    own_agent.chosen = {"source": ConfigSource.ISOLATED}
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
    work = os.path.realpath(own_agent.work)
    own_agent.chosen = {"source": ConfigSource.PROJECT, "trusted": work, "user_hooks": True, "user_mcp_servers": True}
    outside = own_agent.folder / "outside.txt"
    outcome = own_agent.ask("\n".join([write(own_agent.name, outside), shell(own_agent.name, f"touch {outside}")]))
    own = OWN[own_agent.name]
    assert own.hooks | own.servers <= set(ran(own_agent.folder)), outcome
    assert not outside.exists()
    assert state(*files) == before


#: Programs that read instruction files themselves, through links out of the repository.
FOLLOW_LINKS = {"gemini"}

GROK_MODEL = """
[models]
default = "mine"
[model.mine]
model = "m-mine"
base_url = "{url}/v1"
api_key = "key-of-the-file"
api_backend = "chat_completions"
extra_headers = {{"X-Mine" = "yes"}}
"""


@pytest.fixture
def users_grok(grok: RealAgent, model_server: ModelServer) -> RealAgent:
    """Grok with settings, login and service of the user's own; nothing in the environment names the service."""
    for name in ("GROK_XAI_API_BASE_URL", "XAI_API_KEY", "GROK_HOME"):
        del grok.environ[name]
    fill(grok.folder / "home/.grok", {"config.toml": GROK_MODEL.format(url=model_server.url)})
    return grok


def plant_for_grok(agent: RealAgent, url: str) -> list[Path]:
    """Programs that the user's settings start, rules that allow everything, and a trusted project that brings its own."""
    home, work = agent.folder / "home", agent.work

    def hook(name: str) -> dict[str, Any]:
        command = {"type": "command", "command": trap(agent.folder, name)}
        return {"SessionStart": [{"matcher": "*", "hooks": [command]}], "PreToolUse": [{"hooks": [command]}]}

    config = home / ".grok/config.toml"
    table = f'[[hooks.SessionStart]]\nhooks = [{{type = "command", command = "{trap(agent.folder, "config-hook")}"}}]\n'
    table += f'[mcp_servers.own]\ncommand = "{trap(agent.folder, "server")}"\n'
    table += f'[plugins]\npaths = ["{agent.folder}/plugin"]\n'
    table += '[ui]\npermission_mode = "always-approve"\n[permission]\nallow = ["Bash", "Edit", "Write"]\n'
    config.write_text(config.read_text() + table)
    allowed = {"permissions": {"allow": ["Bash", "Edit", "Write"], "defaultMode": "bypassPermissions"}}
    fill(
        home,
        {
            ".grok/hooks/own.json": json.dumps({"hooks": hook("hook-file")}),
            ".grok/trusted_folders.toml": trusted_folders(work),
            ".claude/settings.json": json.dumps({"hooks": hook("claude-hook"), **allowed}),
            ".claude/settings.local.json": json.dumps(allowed),
            ".claude.json": json.dumps({"mcpServers": {"other": {"command": trap(agent.folder, "claude-server")}}}),
            ".cursor/hooks.json": json.dumps({"version": 1, "hooks": hook("cursor-hook")}),
        },
    )
    fill(
        agent.folder / "plugin",
        {
            "plugin.json": json.dumps({"name": "own", "version": "1.0.0"}),
            "hooks/hooks.json": json.dumps({"hooks": hook("plugin-hook")}),
        },
    )
    subprocess.run(["git", "init", "-q", work], check=True, timeout=60)
    fill(
        work,
        {
            ".grok/hooks/theirs.json": json.dumps({"hooks": hook("project-hook")}),
            ".grok/config.toml": f'[mcp_servers.theirs]\ncommand = "{trap(agent.folder, "project-server")}"\n',
            ".mcp.json": json.dumps({"mcpServers": {"json": {"command": trap(agent.folder, "json-server")}}}),
            ".claude/settings.json": json.dumps({"hooks": hook("project-claude-hook"), **allowed}),
            ".envrc": f"{trap(agent.folder, 'envrc')}\n",
        },
    )
    return [path for path in (*home.rglob("*"), *work.rglob("*")) if path.is_file()]


def trusted_folders(work: Path) -> str:
    """The user's decision that Grok stores when a folder is trusted."""
    return f'[folders."{work}"]\ntrusted = true\ndecided_at = 1796035013\n'


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


VIBE_SETTINGS = """
active_model = "mine"
[[providers]]
name = "mine"
api_base = "{url}/v1"
api_key_env_var = "KEY_OF_MINE"
backend = "generic"
[[models]]
name = "m-mine"
provider = "mine"
alias = "mine"
thinking = "high"
"""


@pytest.fixture
def users_mistral(mistral: RealAgent, model_server: ModelServer) -> RealAgent:
    """Vibe with settings, key and service of the user's own; nothing in the environment names the service."""
    for name in ("VIBE_HOME", "VIBE_PROVIDERS", "VIBE_MODELS", "VIBE_ACTIVE_MODEL", "MISTRAL_API_KEY"):
        del mistral.environ[name]
    settings = VIBE_SETTINGS.format(url=model_server.url)
    fill(mistral.folder / "home/.vibe", {"config.toml": settings, ".env": "KEY_OF_MINE=key-of-the-file\n"})
    return mistral


def plant_for_mistral(agent: RealAgent, url: str) -> list[Path]:
    """Programs that the user's settings start, rules that allow everything, and a trusted project that brings its own."""
    home, work = agent.folder / "home", agent.work

    def hooks(name: str) -> str:
        kinds = ("post_agent", "pre_tool")
        command = trap(agent.folder, name)
        return "\n".join(f'[[hooks]]\nname = "{name}-{k}"\ntype = "{k}"\ncommand = "{command}"\n' for k in kinds)

    def server(name: str) -> str:
        return f'[[mcp_servers]]\nname = "{name}"\ntransport = "stdio"\ncommand = "{trap(agent.folder, name)}"\n'

    loose = 'default_agent = "auto-approve"\nbypass_tool_permissions = true\noutside_workdir = "ask"\n'
    tools = f'[tools.bash]\npermission = "always"\nallowlist = ["{PYTHON}", "touch"]\n[tools.write_file]\npermission = "always"\n'
    config = home / ".vibe/config.toml"
    config.write_text(loose + config.read_text() + tools + server("server"))
    fill(
        home,
        {
            ".vibe/hooks.toml": hooks("hook"),
            ".vibe/trusted_folders.toml": f'trusted = ["{work}"]\nuntrusted = []\n',
            ".vibe/agents/ask.toml": "bypass_tool_permissions = true\n",
        },
    )
    theirs = VIBE_SETTINGS.format(url=url).replace("m-mine", "m-theirs")
    fill(
        work,
        {
            ".vibe/config.toml": loose + theirs + tools + server("project-server"),
            ".vibe/hooks.toml": hooks("project-hook"),
            ".vibe/agents/ask.toml": "bypass_tool_permissions = true\n",
        },
    )
    return [path for path in (*home.rglob("*"), *work.rglob("*")) if path.is_file()]


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


def plant_for_gemini(agent: RealAgent, url: str) -> list[Path]:
    """Programs that the user's settings start, rules that allow everything, and a trusted project that brings its own."""
    home, work = agent.folder / "home", agent.work

    def hooks(name: str) -> dict[str, Any]:
        return {"SessionStart": [{"hooks": [{"type": "command", "command": trap(agent.folder, name)}]}]}

    own = json.loads((home / ".gemini/settings.json").read_text())
    own |= {
        "hooks": hooks("hook"),
        "mcpServers": {"own": {"command": trap(agent.folder, "server"), "trust": True}},
        "tools": {"allowed": ["run_shell_command", "write_file"], "autoAccept": True},
        "general": {"defaultApprovalMode": "auto_edit"},
    }
    allow = '[[rule]]\ntoolName = "*"\ndecision = "allow"\npriority = 999\n'
    extension = {"name": "ext", "version": "1.0.0", "mcpServers": {"x": {"command": trap(agent.folder, "extension")}}}
    fill(
        home,
        {
            ".gemini/settings.json": json.dumps(own),
            ".gemini/policies/all.toml": allow,
            ".gemini/trustedFolders.json": json.dumps({str(work): "TRUST_FOLDER"}),
            ".gemini/extensions/ext/gemini-extension.json": json.dumps(extension),
        },
    )
    theirs = {
        "model": {"name": "m-theirs"},
        "hooks": hooks("project-hook"),
        "mcpServers": {"theirs": {"command": trap(agent.folder, "project-server")}},
        "tools": {"allowed": ["run_shell_command", "write_file"]},
    }
    fill(work, {".gemini/settings.json": json.dumps(theirs)})
    return [path for path in (*home.rglob("*"), *work.rglob("*")) if path.is_file()]


PLANT = {"grok": plant_for_grok, "mistral": plant_for_mistral, "gemini": plant_for_gemini}


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
    assert users_gemini.own_config(users_gemini.info, str(users_gemini.work)).instruction_files == tuple(
        str(users_gemini.work / name) for name in ("MINE.md", "imported.md")
    )
