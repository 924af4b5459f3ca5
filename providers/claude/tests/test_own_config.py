"""What of the user's own configuration applies to a run of Claude Code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import ConfigChoice, ConfigSource, OwnConfig, Posture, Prompt, Request, Resume
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_claude.argv import build
from llm_gateway_provider_claude.own_config import ClaudeConfig, merge, read

FRESH = Resume(native_id="6a1f1d0e-0000-4000-8000-000000000000")  # type: ignore[arg-type]  # a string on the wire
LAX = {
    "permissions": {
        "allow": ["Bash"],
        "deny": ["Read(./secret)"],
        "ask": ["Write"],
        "defaultMode": "bypassPermissions",
    },
    "hooks": {"Stop": []},
    "statusLine": {"command": "x"},
    "enabledPlugins": {"a@b": True},
    "sandbox": {"enabled": False},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".claude").mkdir()
    (tmp_path / "work" / ".claude").mkdir(parents=True)
    return tmp_path


def reading(home: Path, **more: Any) -> OwnConfig:
    work = str(home / "work")
    given = {"environ": {"HOME": str(home)}, "working_dir": work, "repository": work, **more}
    return read(ConfigChoice(**given))


def settings_of(config: OwnConfig) -> ClaudeConfig:
    assert isinstance(config.settings, ClaudeConfig)
    return config.settings


def write(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(values))


def test_only_rules_that_restrict_are_kept() -> None:
    assert merge([LAX], hooks=False) == {"permissions": {"deny": ["Read(./secret)"], "ask": ["Write"]}}
    assert set(merge([LAX], hooks=True)) == {"permissions", "hooks", "enabledPlugins"}


def test_a_later_source_wins_and_rules_add_up() -> None:
    first = {"model": "a", "effortLevel": "low", "permissions": {"deny": ["A"]}}
    second = {"model": "b", "permissions": {"deny": ["B"]}}
    assert merge([first, second], hooks=False) == {
        "model": "b",
        "effortLevel": "low",
        "permissions": {"deny": ["A", "B"]},
    }


def test_variables_go_into_the_environment_and_into_no_file_or_argument(home: Path) -> None:
    env = {"ANTHROPIC_AUTH_TOKEN": "s3cret", "LIMIT": 3, "CLAUDE_CONFIG_DIR": "/x", "IS_SANDBOX": "1"}
    write(home / ".claude" / "settings.json", env=env, apiKeyHelper="/bin/helper")
    config = reading(home)
    assert config.env == {"ANTHROPIC_AUTH_TOKEN": "s3cret", "LIMIT": "3"}
    request = Request(provider="claude", prompt=Prompt(text="x"), working_dir=str(home / "work"))
    made = build(request, Posture.PROMPTED, FRESH, config=config, root=False)
    assert "s3cret" not in str((made, config))
    assert json.loads(made.files["settings.json"]) == {"apiKeyHelper": "/bin/helper"}


def test_the_posture_wins_over_the_settings(home: Path) -> None:
    config = OwnConfig(settings=ClaudeConfig(settings={"sandbox": {"enabled": False}, "model": "m"}))
    request = Request(provider="claude", prompt=Prompt(text="x"), working_dir=str(home))
    made = build(request, Posture.WORKSPACE_WRITE, FRESH, config=config, root=False)
    settings = json.loads(made.files["settings.json"])
    assert settings["sandbox"]["enabled"]
    assert settings["model"] == "m"


def test_model_and_endpoint_that_result_are_told_without_secrets(home: Path) -> None:
    assert (reading(home).model, reading(home).endpoint) == (None, None)
    write(home / ".claude" / "settings.json", model="m", env={"ANTHROPIC_BASE_URL": "https://u:p@host:8443/path?key=k"})
    config = reading(home)
    assert (config.model, config.endpoint) == ("m", "https://host:8443/path")
    assert config.files == (str(home / ".claude" / "settings.json"),)


def test_settings_that_are_no_json_refuse_the_run_unless_they_do_not_apply(home: Path) -> None:
    (home / ".claude" / "settings.json").write_text("{")
    with pytest.raises(InvalidRequest, match=r"settings\.json"):
        reading(home)
    assert reading(home, source=ConfigSource.ISOLATED).files == ()


def test_a_projects_settings_apply_only_inside_of_the_trusted_directory(home: Path) -> None:
    write(home / "work" / ".claude" / "settings.json", model="project")
    write(home / "work" / ".claude" / "settings.local.json", env={"A": "b"})
    assert reading(home).model is None
    trusted = reading(home, source=ConfigSource.PROJECT, trusted=str(home / "work"))
    assert (trusted.model, trusted.env) == ("project", {"A": "b"})
    (home / "else").mkdir()
    write(home / "else" / "settings.json", model="else")
    (home / "work" / ".claude").rename(home / "old")
    (home / "work" / ".claude").symlink_to(home / "else")
    assert reading(home, source=ConfigSource.PROJECT, trusted=str(home / "work")).model is None


def test_servers_apply_where_the_operator_says_so_and_this_gateway_never(home: Path) -> None:
    own = {
        "own": {"command": "x"},
        "us": {"command": "uvx", "args": ["llm-gateway-mcp"]},
        "far": {"type": "http", "url": "u"},
    }
    local = {"local": {"command": "y"}}
    write(home / ".claude.json", mcpServers=own, projects={str(home / "work"): {"mcpServers": local}})
    write(home / "work" / ".mcp.json", mcpServers={"project": {"command": "z"}})
    assert settings_of(reading(home)).servers == {}
    assert set(settings_of(reading(home, user_mcp_servers=True)).servers) == {"own", "far", "local"}
    project = reading(home, user_mcp_servers=True, source=ConfigSource.PROJECT, trusted=str(home / "work"))
    assert set(settings_of(project).servers) == {"own", "far", "local", "project"}
    assert settings_of(reading(home, user_mcp_servers=True, source=ConfigSource.ISOLATED)).servers == {}


def test_a_rule_of_certain_paths_is_left_out_and_a_header_is_no_instruction(home: Path) -> None:
    rules = home / ".claude" / "rules"
    rules.mkdir()
    (rules / "a.md").write_text("---\npaths: '*.py'\n---\nof paths\n")
    (rules / "b.md").write_text("---\ntitle: b\n---\nof all\n")
    text = reading(home).instructions
    assert "of all" in text
    assert "of paths" not in text
    assert "title" not in text


def test_agents_md_counts_where_the_project_has_no_claude_md(home: Path) -> None:
    (home / "work" / "AGENTS.md").write_text("agents words")
    assert "agents words" in reading(home).instructions
    (home / "work" / "CLAUDE.md").write_text("claude words")
    assert "agents words" not in reading(home).instructions


def test_instructions_stand_before_the_callers_own_text_and_apply_to_a_resumed_turn(home: Path) -> None:
    (home / "work" / "CLAUDE.md").write_text("claude words")
    again = Resume(native_id=FRESH.native_id, fresh=False)
    request = Request(provider="claude", prompt=Prompt(text="x"), working_dir=str(home / "work"))
    made = build(request, Posture.PROMPTED, again, config=reading(home), root=False)
    assert b"claude words" in made.files["system.md"]
    assert "--system-prompt-snapshot=off" in made.argv
    assert reading(home, instructions=False).instructions == ""
