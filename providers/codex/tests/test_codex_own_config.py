"""What of the user's own configuration applies to a run of Codex."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import ConfigChoice, ConfigSource, OwnConfig, Posture, Prompt, Request, Resume
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_codex.argv import build
from llm_gateway_provider_codex.options import CodexSettings
from llm_gateway_provider_codex.own_config import CodexConfig, read

SERVICE = """
model = "m"
model_provider = "house"
sandbox_mode = "danger-full-access"
approval_policy = "never"
notify = ["program"]
[model_providers.house]
name = "house"
base_url = "https://models.example.com/v1"
http_headers = { "X-Secret" = "s3cret-1" }
env_http_headers = { "X-Team" = "TEAM" }
experimental_bearer_token = "s3cret-2"
[model_providers.other]
base_url = "https://other.example.com"
[sandbox_workspace_write]
network_access = true
[mcp_servers.own]
command = "server"
args = ["a"]
env = { "K" = "s3cret-3" }
env_vars = ["PASSED"]
enabled_tools = ["look"]
[mcp_servers.far]
url = "https://far.example.com/mcp"
bearer_token_env_var = "FAR_TOKEN"
[mcp_servers.off]
command = "off"
enabled = false
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".codex").mkdir()
    (tmp_path / "work" / ".codex").mkdir(parents=True)
    return tmp_path


def reading(home: Path, *overrides: str, **more: Any) -> OwnConfig:
    work = str(home / "work")
    given = {"environ": {"HOME": str(home)}, "working_dir": work, "repository": work, **more}
    return read(ConfigChoice(**given), overrides)


def write(home: Path, text: str) -> None:
    (home / ".codex" / "config.toml").write_text(text)


def argv(home: Path, config: OwnConfig, *overrides: str, posture: Posture = Posture.WORKSPACE_WRITE) -> tuple[str, ...]:
    request = Request(provider="codex", prompt=Prompt(text="x"), working_dir=str(home / "work"))
    settings = CodexSettings(overrides=overrides)
    return build(request, posture, Resume(), settings, {"HOME": str(home)}, own=config).argv


def settings_of(config: OwnConfig) -> CodexConfig:
    assert isinstance(config.settings, CodexConfig)
    return config.settings


def test_only_model_account_and_service_are_kept(home: Path) -> None:
    write(home, SERVICE)
    config = reading(home)
    assert set(settings_of(config).settings) == {"model", "model_provider", "model_providers.house"}
    assert (config.model, config.endpoint) == ("m", "https://models.example.com/v1")
    assert config.mcp_servers == ()


def test_secrets_are_variables_and_on_no_command_line(home: Path) -> None:
    write(home, SERVICE)
    config = reading(home, user_mcp_servers=True)
    said = " ".join(argv(home, config))
    assert "s3cret" not in said + repr(config)
    assert set(config.env.values()) == {"s3cret-1", "s3cret-2"}
    assert all(name in said for name in config.env)
    assert set(config.env_pass) == {"TEAM", "FAR_TOKEN", "PASSED"}


@pytest.mark.parametrize(
    "line",
    ['base_url = "https://u:p@host/v1"', 'base_url = "https://host/v1?k=v"', 'query_params = { "api_key" = "k" }'],
)
def test_a_service_whose_address_holds_a_secret_is_refused(home: Path, line: str) -> None:
    write(home, f'model_provider = "a"\n[model_providers.a]\nname = "a"\n{line}\n')
    with pytest.raises(InvalidRequest, match="password or a key"):
        reading(home)


@pytest.mark.parametrize("text", ["= 1", 'model_provider = "a b"\n[model_providers."a b"]\nname = "x"\n'])
def test_a_file_that_cannot_be_used_refuses_the_run_unless_it_does_not_apply(home: Path, text: str) -> None:
    write(home, text)
    with pytest.raises(InvalidRequest, match=r"config\.toml"):
        reading(home)
    assert settings_of(reading(home, source=ConfigSource.ISOLATED)).settings == {}


def test_the_operators_overrides_and_the_posture_come_after_the_users_settings(home: Path) -> None:
    write(home, SERVICE)
    said = argv(home, reading(home), "model_verbosity=high")
    lines = [word for before, word in itertools.pairwise(said) if before == "-c"]
    places = [
        lines.index(line)
        for line in ('model="m"', "model_verbosity=high", "sandbox_workspace_write.network_access=false")
    ]
    assert places == sorted(places)
    assert "--ignore-user-config" in said


def test_a_service_of_the_operator_replaces_the_users(home: Path) -> None:
    write(home, SERVICE)
    config = reading(home, 'model_provider="local"')
    assert set(settings_of(config).settings) == {"model"}
    assert config.env == {}


def test_servers_start_where_the_operator_says_so_and_need_not(home: Path) -> None:
    write(home, SERVICE)
    config = reading(home, user_mcp_servers=True)
    assert [server.name for server in config.mcp_servers] == ["own", "far"]
    said = argv(home, config, posture=Posture.READ_ONLY)
    assert 'mcp_servers.own.enabled_tools=["look"]' in said
    assert 'mcp_servers.far.bearer_token_env_var="FAR_TOKEN"' in said
    assert not [word for word in said if "required" in word]
    passed = next(word for word in said if word.startswith("mcp_servers.own.env_vars="))
    assert "PASSED" in passed
    assert "LLM_GATEWAY_DEPTH" in passed


def test_notify_starts_where_the_operator_says_so(home: Path) -> None:
    write(home, SERVICE)
    assert settings_of(reading(home, user_hooks=True)).settings["notify"] == ["program"]


def test_a_trusted_project_chooses_how_the_model_works_and_nothing_else(home: Path) -> None:
    write(home, SERVICE)
    text = 'model = "p"\nmodel_provider = "other"\nsandbox_mode = "danger-full-access"\nnotify = ["x"]\n'
    (home / "work" / ".codex" / "config.toml").write_text(text)
    assert reading(home).model == "m"
    config = reading(home, source=ConfigSource.PROJECT, trusted=str(home / "work"), user_hooks=True)
    assert config.model == "p"
    assert settings_of(config).settings["model_provider"] == "house"
    assert settings_of(config).settings["notify"] == ["program"]


def test_a_link_that_codex_follows_out_of_the_repository_is_named(home: Path) -> None:
    (home / "outside").write_text("words")
    (home / "work" / "AGENTS.md").symlink_to(home / "outside")
    assert [notice.code for notice in reading(home).notices] == ["instruction_link"]
    assert reading(home, instructions=False).notices == ()


def test_a_changed_instruction_file_changes_the_digest(home: Path) -> None:
    digests = {reading(home).digest}
    for name in ("work/AGENTS.md", "work/AGENTS.override.md", ".codex/AGENTS.md"):
        (home / name).write_text(name)
        digests.add(reading(home).digest)
    assert len(digests) == 4


def test_instructions_that_codex_reads_in_any_case_are_named(home: Path) -> None:
    (home / ".codex" / "AGENTS.md").write_text("x")
    assert reading(home).notices == ()
    assert settings_of(reading(home, instructions=False)).settings["project_doc_max_bytes"] == 0
    for more in ({"instructions": False}, {"source": ConfigSource.ISOLATED}):
        assert [notice.code for notice in reading(home, **more).notices] == ["instructions_kept"]
