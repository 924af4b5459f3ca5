from __future__ import annotations

import json
import subprocess
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import RUN_FILES, Invocation, McpServer, NativeSessionId, Posture, Prompt, Request, Resume
from llm_gateway.errors import InputTooLarge, InvalidRequest
from llm_gateway_provider_codex.argv import LEVELS, SETTINGS, build, toml
from llm_gateway_provider_codex.options import CodexOptions, CodexSettings
from llm_gateway_provider_codex.plugin import CodexProvider

PROVIDER = CodexProvider()

ID = NativeSessionId("01a20495-379d-7a81-ba34-b17f7b5b50e3")
FRESH = Resume()
AGAIN = Resume(native_id=ID, fresh=False)
ENVIRON = {"HOME": "/home/someone"}
SANDBOXED = [posture for posture in Posture if posture is not Posture.BYPASS]
LOOKING = [Posture.READ_ONLY, Posture.PLAN, Posture.PROMPTED]
SECRET = "s3cret 'quoted' $HOME `x`\nline"


def request(text: str = "hello", **asked: Any) -> Request:
    return Request(provider="codex", prompt=Prompt(text=text), working_dir="/", **asked)


def made(
    posture: Posture = Posture.PROMPTED, resume: Resume = FRESH, settings: CodexSettings | None = None, **asked: Any
) -> Invocation:
    return build(request(**asked), posture, resume, settings or CodexSettings(), ENVIRON)


def overrides(invocation: Invocation) -> list[str]:
    return [value for flag, value in pairwise(invocation.argv) if flag == "-c"]


def named(posture: Posture) -> str:
    return posture.value


def test_a_plain_request_is_the_base_call() -> None:
    argv = made().argv
    assert argv[:5] == ("codex", "exec", "--sandbox=read-only", "--json", "--skip-git-repo-check")
    assert argv[5:7] == ("--ignore-user-config", "--ignore-rules")
    assert argv[-1] == "-"
    assert overrides(made()) == [f"{key}={toml(value)}" for key, value in SETTINGS.items()]


@pytest.mark.parametrize("resume", [FRESH, AGAIN], ids=["fresh", "resumed"])
def test_traps_6_16_and_17_the_prompt_goes_to_stdin_and_removed_flags_are_not_used(resume: Resume) -> None:
    for posture in Posture:
        invocation = made(posture, resume)
        assert (invocation.argv[-1], invocation.stdin is not None) == ("-", True), (
            "Codex waits without limit for an open stdin"
        )
        assert not {"--ephemeral", "--full-auto", "-a", "mcp-server"} & set(invocation.argv)


def test_trap_10_a_resumed_request_repeats_all_flags_in_the_right_order() -> None:
    asked: dict[str, Any] = {"model": "gpt-x", "effort": "high", "add_dirs": ("/var",)}
    fresh, again = made(Posture.WORKSPACE_WRITE, **asked).argv, made(Posture.WORKSPACE_WRITE, AGAIN, **asked).argv
    at = again.index("resume")
    assert again[2:at] == ("--sandbox=workspace-write", "--add-dir=/var")
    assert again[-2:] == (ID, "-")
    assert [part for part in again if part not in ("resume", ID)] == list(fresh)
    assert {"--model=gpt-x", 'model_reasoning_effort="high"'} <= set(again)


@given(text=st.text(min_size=1, max_size=300, alphabet=st.characters(exclude_categories=["Cs"])))
def test_lesson_78_any_prompt_goes_to_stdin_unchanged(text: str) -> None:
    for resume in (FRESH, AGAIN):
        invocation = build(request(text), Posture.PROMPTED, resume, CodexSettings(), ENVIRON)
        assert invocation.stdin == text.encode()
        assert invocation.argv == made(resume=resume).argv


@pytest.mark.parametrize("text", ["-h", "--help", "resume", "review", "fork", "help", "/status", "@secret", "$skill"])
def test_lesson_78_flags_and_subcommands_in_a_prompt_are_not_in_argv(text: str) -> None:
    assert text not in build(request(text), Posture.PROMPTED, FRESH, CodexSettings(), ENVIRON).argv


def test_lesson_22_a_prompt_of_100000_characters_goes_to_stdin() -> None:
    invocation = build(request("€" * 100_000), Posture.PROMPTED, FRESH, CodexSettings(), ENVIRON)
    assert max(map(len, invocation.argv)) < 200


@pytest.mark.parametrize("posture", Posture, ids=named)
def test_every_level_has_its_flags(posture: Posture) -> None:
    for resume in (FRESH, AGAIN):
        argv = made(posture, resume).argv
        assert set(LEVELS[posture]) <= set(argv)
        assert sum(part.startswith(("--sandbox=", "--dangerously")) for part in argv) == 1
        assert "--full-auto" not in argv, "trap 17: Codex removed this flag"


@pytest.mark.parametrize("posture", Posture, ids=named)
def test_lesson_83_with_a_sandbox_no_project_and_no_rule_is_loaded(posture: Posture) -> None:
    argv = made(posture).argv
    assert "--ignore-user-config" in argv, "it would contain the trusted projects"
    assert ("--ignore-rules" in argv) == (posture is not Posture.BYPASS)


def test_trap_12_a_writing_run_gets_its_own_folder_instead_of_tmp() -> None:
    for posture in (Posture.WORKSPACE_WRITE, Posture.ACCEPT_EDITS):
        invocation = made(posture)
        assert {
            "sandbox_workspace_write.exclude_slash_tmp=true",
            "sandbox_workspace_write.exclude_tmpdir_env_var=true",
            "sandbox_workspace_write.network_access=false",
            f'sandbox_workspace_write.writable_roots=["{RUN_FILES}/scratch"]',
        } <= set(overrides(invocation))
        assert "scratch/.keep" in invocation.files


def test_accept_edits_has_no_shell_and_a_notice_explains_it() -> None:
    invocation = made(Posture.ACCEPT_EDITS)
    assert "--disable=shell_tool" in invocation.argv, (
        "it must be a flag, so that a Codex that does not know it does not start"
    )
    assert [notice.code for notice in invocation.warnings] == ["no_shell"]
    assert not made(Posture.WORKSPACE_WRITE).warnings


@pytest.mark.parametrize("posture", Posture, ids=named)
def test_lesson_85_trap_5_retries_of_an_unreachable_service_are_limited(posture: Posture) -> None:
    assert "features.unbounded_connection_retries=false" in overrides(made(posture))


@pytest.mark.parametrize("posture", Posture, ids=named)
def test_trap_13_keys_do_not_reach_the_shell_and_sub_agents_are_off(posture: Posture) -> None:
    said = overrides(made(posture))
    assert "shell_environment_policy.ignore_default_excludes=false" in said
    assert "agents.enabled=false" in said


@pytest.mark.parametrize("resume", [FRESH, AGAIN], ids=["fresh", "resumed"])
def test_additional_directories_come_before_resume(resume: Resume) -> None:
    argv = made(Posture.WORKSPACE_WRITE, resume, add_dirs=("/var", "/opt")).argv
    assert argv[3:5] == ("--add-dir=/var", "--add-dir=/opt")


def test_a_prompt_of_more_characters_than_codex_takes_is_refused_before_anything_runs() -> None:
    """Measured: Codex accepts 1 048 576 characters of any size in bytes."""
    assert (
        len(build(request("€" * (1 << 20)), Posture.PROMPTED, FRESH, CodexSettings(), ENVIRON).stdin or b"") == 3 << 20
    )
    with pytest.raises(InputTooLarge, match="1,048,576"):
        build(request("x" * ((1 << 20) + 1)), Posture.PROMPTED, FRESH, CodexSettings(), ENVIRON)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        build(request("half \ud800 pair"), Posture.PROMPTED, FRESH, CodexSettings(), ENVIRON)


def test_search_is_passed_as_a_setting() -> None:
    assert 'web_search="live"' in overrides(made(options=CodexOptions(search=True)))
    assert 'web_search="disabled"' in overrides(made(options=CodexOptions(search=False)))
    assert not [said for said in overrides(made()) if said.startswith("web_search")]


def test_settings_of_the_operator_come_first_so_the_level_overrides_them() -> None:
    settings = CodexSettings(overrides=("model_provider=x", "sandbox_workspace_write.network_access=true"))
    said = overrides(made(Posture.WORKSPACE_WRITE, settings=settings))
    assert said[:2] == list(settings.overrides)
    assert said.index("sandbox_workspace_write.network_access=false") > 1


def test_codex_never_loads_the_users_file_by_itself() -> None:
    assert "--ignore-user-config" in made().argv


@pytest.mark.parametrize("line", ["no value", "=x", "a b=c", "--help=1", ""])
def test_an_override_is_a_key_and_a_value(line: str) -> None:
    with pytest.raises(ValueError, match="overrides"):
        CodexSettings(overrides=(line,))


@pytest.mark.parametrize(
    "asked",
    [
        {"effort": "extreme"},
        {"effort": "silly"},
        {"model": ""},
        {"model": "--help"},
        {"model": "a b"},
        {"add_dirs": ("here",)},
        {"mcp_servers": (McpServer(name="a b", command="x"),)},
        {"mcp_servers": (McpServer(name="a.b", command="x"),)},
        {"mcp_servers": (McpServer(name="a", command="x", env={"A B": "x"}),)},
        {"mcp_servers": (McpServer(name="a", url="https://me:pw@example.com/mcp"),)},
        {"mcp_servers": (McpServer(name="a", url="https://example.com/mcp?key=s3cret"),)},
    ],
    ids=str,
)
def test_trap_11_values_that_codex_would_misread_or_ignore_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        made(Posture.WORKSPACE_WRITE, **asked)


@given(
    model=st.none() | st.text(max_size=30),
    effort=st.none() | st.text(max_size=10),
    directory=st.text(max_size=20),
    url=st.text(max_size=20),
    posture=st.sampled_from(Posture),
)
def test_no_value_is_read_as_a_flag(
    model: str | None, effort: str | None, directory: str, url: str, posture: Posture
) -> None:
    servers = (McpServer(name="x", url=url or "http://x"), McpServer(name="y", command=directory or "-c"))
    try:
        argv = made(posture, model=model, effort=effort, add_dirs=(f"/{directory}",), mcp_servers=servers).argv
    except (InvalidRequest, ValueError):
        return
    values = {at + 1 for at, part in enumerate(argv) if part == "-c"}
    for at, element in enumerate(argv[2:-1], 2):
        flag, joined, _ = element.partition("=")
        assert at in values or element == "-c" or element in LEVELS[posture] or flag.startswith("--")
        assert at not in values or (joined and not flag.startswith("-"))


def test_mcp_servers_are_settings_and_their_secrets_are_not_in_argv() -> None:
    servers = (
        McpServer(name="search", command="search-mcp", args=("--quick",), env={"KEY": SECRET}),
        McpServer(name="plain", command="plain-mcp"),
        McpServer(name="far", url="https://example.com/mcp"),
    )
    invocation = made(mcp_servers=servers)
    said = dict(override.split("=", 1) for override in overrides(invocation))
    assert json.loads(said["mcp_servers.search.args"])[2:] == [f"{RUN_FILES}/mcp-search.env", "search-mcp", "--quick"]
    assert said["mcp_servers.plain.command"] == '"plain-mcp"'
    assert said["mcp_servers.far.url"] == '"https://example.com/mcp"'
    assert not [element for element in (*invocation.argv, *invocation.env.values()) if "s3cret" in element]


def test_a_secret_reaches_its_server_unchanged(tmp_path: Any) -> None:
    invocation = made(mcp_servers=(McpServer(name="s", command="printenv", args=("KEY",), env={"KEY": SECRET}),))
    said = dict(override.split("=", 1) for override in overrides(invocation))
    (tmp_path / "mcp-s.env").write_bytes(invocation.files["mcp-s.env"])
    argv = [json.loads(said["mcp_servers.s.command"]), *json.loads(said["mcp_servers.s.args"])]
    argv = [part.replace(RUN_FILES, str(tmp_path)) for part in argv]
    assert subprocess.run(argv, capture_output=True, check=True, timeout=10).stdout.decode() == SECRET + "\n"


def test_lesson_77_a_gateway_as_server_receives_its_depth() -> None:
    said = overrides(made(mcp_servers=(McpServer(name="g", command="llm-gateway", args=("serve",)),)))
    (passed,) = [json.loads(one.partition("=")[2]) for one in said if one.startswith("mcp_servers.g.env_vars=")]
    assert {"LLM_GATEWAY_DEPTH", "LLM_GATEWAY_JOB", "HTTPS_PROXY"} <= set(passed)


def test_trap_9_a_given_server_may_be_used_except_on_read_levels() -> None:
    approval = 'mcp_servers.search.default_tools_approval_mode="approve"'
    given: dict[str, Any] = {"mcp_servers": (McpServer(name="search", command="x"),)}
    assert [posture for posture in Posture if approval not in overrides(made(posture, **given))] == LOOKING[:2]


@pytest.mark.parametrize("server", [McpServer(name="s", command="x"), McpServer(name="s", url="http://x/")], ids=str)
def test_a_turn_waits_for_its_servers(server: McpServer) -> None:
    said = overrides(made(mcp_servers=(server,)))
    assert {"mcp_servers.s.required=true", "mcp_servers.s.startup_timeout_sec=30"} <= set(said)


def test_a_schema_goes_into_a_file() -> None:
    invocation = made(output_schema={"type": "object"})
    assert f"--output-schema={RUN_FILES}/schema.json" in invocation.argv
    assert json.loads(invocation.files["schema.json"]) == {"type": "object"}


def test_lesson_79_a_resumed_run_collects_the_record_of_its_conversation() -> None:
    assert made().artifacts == ()
    found = made(resume=AGAIN).artifacts
    assert all(path.startswith("/home/someone/.codex/sessions/2026/11/2") for path in found)
    assert all(path.endswith(f"-{ID}.jsonl") for path in found)


@given(text=st.text())
def test_toml_strings_are_one_line_and_keep_their_value(text: str) -> None:
    said = toml(text)
    assert "\n" not in said
    assert "\x7f" not in said
    assert json.loads(said) == text


def test_lesson_45_a_run_sees_no_key_of_another_provider_and_no_parent_session() -> None:
    names = PROVIDER.info.env
    assert {"CODEX_API_KEY", "CODEX_HOME"} <= set(names)
    assert not [name for name in names if name.endswith("*")]
    for other in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CODEX_THREAD_ID", "CODEX_SANDBOX", "CODEX_CI"):
        assert other not in names


def test_the_schema_of_its_options_stays_small() -> None:
    assert len(json.dumps(CodexOptions.model_json_schema(by_alias=True))) < 1_000
