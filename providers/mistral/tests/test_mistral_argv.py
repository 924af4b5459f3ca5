from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import RUN_FILES, McpServer, NativeSessionId, Posture, Prompt, Request, Resume
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_mistral.argv import LEVELS, build
from llm_gateway_provider_mistral.options import MistralOptions
from llm_gateway_provider_mistral.plugin import gateway_describe_provider

ID = NativeSessionId("1f7b41fd-33a4-ab1d-41c4-e05ef2162cdd")
FRESH = Resume()
AGAIN = Resume(native_id=ID, fresh=False)
TINY = McpServer(name="tiny", command="tiny-mcp", args=("-v",), env={"KEY": "s3cret"})
BELOW_BYPASS = [posture for posture in LEVELS if posture is not Posture.BYPASS]


def request(text: str = "hello", **asked: Any) -> Request:
    return Request(**{"provider": "mistral", "prompt": Prompt(text=text), "working_dir": "/", **asked})


def argv_of(posture: Posture = Posture.PROMPTED, resume: Resume = FRESH, **asked: Any) -> tuple[str, ...]:
    """Vibe's own command, after what starts it."""
    argv = build(request(**asked), posture, resume).argv
    return argv[argv.index("vibe") :]


def env_of(posture: Posture = Posture.PROMPTED, resume: Resume = FRESH, **asked: Any) -> dict[str, str]:
    return dict(build(request(**asked), posture, resume).env)


def permissions(posture: Posture, **asked: Any) -> dict[str, Any]:
    tools: dict[str, Any] = json.loads(env_of(posture, **asked)["VIBE_TOOLS"])
    return tools


def named(posture: Posture) -> str:
    return posture.value


def test_a_plain_request_of_vibe_is_the_base_call() -> None:
    assert argv_of() == ("vibe", "--output=streaming", f"--output-dir={RUN_FILES}/out", "--agent=ask", "-p")


def test_a_resumed_request_of_vibe_passes_the_conversation_id() -> None:
    assert argv_of(resume=AGAIN)[-2:] == (f"--resume={ID}", "-p")


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_lesson_78_trap_7_any_prompt_goes_to_stdin(text: str) -> None:
    made = build(request(text), Posture.PROMPTED, FRESH)
    assert (made.stdin, made.argv) == (text.encode(), build(request(), Posture.PROMPTED, FRESH).argv)


def test_lesson_78_an_image_from_outside_of_the_working_directory_is_refused(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for folder in (tmp_path, work):
        (folder / "a b.png").write_bytes(b"x")
        (folder / "in.PNG").write_bytes(b"x")
    (work / "link.png").symlink_to(tmp_path / "in.PNG")
    for text in (f"see @{tmp_path}/in.PNG", "@../in.PNG!", "look: @'../a b.png'", '"@"../a b.png""', "x @link.png"):
        with pytest.raises(InvalidRequest, match="outside"):
            build(request(text, working_dir=str(work)), Posture.PROMPTED, FRESH)
    for text in ("see @in.PNG", "me@../in.PNG", 'import x from "@/assets/logo.png"', "@param x.png", "@..", "@'"):
        build(request(text, working_dir=str(work)), Posture.PROMPTED, FRESH)


@pytest.mark.parametrize("posture", LEVELS, ids=named)
def test_traps_8_and_9_every_level_starts_the_agent_with_the_fewest_rights(posture: Posture) -> None:
    argv = argv_of(posture)
    assert "--agent=ask" in argv
    assert ("--auto-approve" in argv) == (posture is Posture.BYPASS)
    assert not {"--trust", "--continue", "-c", "--yolo"} & set(argv)


@pytest.mark.parametrize("posture", BELOW_BYPASS, ids=named)
def test_trap_the_users_configuration_widens_no_level(posture: Posture) -> None:
    env = env_of(posture)
    assert env["VIBE_BYPASS_TOOL_PERMISSIONS"] == "false"
    assert env["VIBE_OUTSIDE_WORKDIR"] == "deny"
    edits = {Posture.READ_ONLY: "never", Posture.PROMPTED: "ask", Posture.ACCEPT_EDITS: "always"}[posture]
    assert permissions(posture) == {
        "bash": {"permission": "ask"},
        "write_file": {"permission": edits},
        "edit": {"permission": edits},
    }


def test_read_only_allows_only_reading_tools() -> None:
    asked = [word for word in argv_of(Posture.READ_ONLY) if word.startswith("--enabled-tools")]
    assert asked == ["--enabled-tools=read_file", "--enabled-tools=grep", "--enabled-tools=todo"]
    assert "--enabled-tools=read_file" in argv_of(Posture.READ_ONLY, allowed_tools=("read_file",))
    with pytest.raises(InvalidRequest, match="widen"):
        argv_of(Posture.READ_ONLY, allowed_tools=("bash",))


def test_lesson_85_and_trap_6_retries_are_limited_and_no_other_service_is_called() -> None:
    env = env_of()
    assert int(env["VIBE_API_RETRY_MAX_ELAPSED_TIME"]) <= 20
    for name in ("TELEMETRY", "UPDATE_CHECKS", "AUTO_UPDATE", "CONNECTORS", "SUBAGENTS", "OTEL", "MCP"):
        assert env[f"VIBE_ENABLE_{name}"] == "false", name
    assert env["VIBE_DISABLED_SKILLS"] == '["*"]'


def test_traps_11_and_12_flags_that_vibe_removed_or_ignores_are_not_passed() -> None:
    assert Posture.PLAN not in LEVELS
    for posture in LEVELS:
        said = " ".join([*argv_of(posture), *env_of(posture), *env_of(posture).values()]).lower()
        assert "plan" not in said
        assert "system_prompt_id" not in said


def test_limits_become_flags_of_vibe() -> None:
    argv = argv_of(max_turns=3, max_budget_usd=0.5)
    assert {"--max-turns=3", "--max-price=0.5"} <= set(argv)
    for wrong in ({"max_turns": 0}, {"max_budget_usd": 0.0}, {"max_budget_usd": float("nan")}):
        with pytest.raises(InvalidRequest):
            argv_of(**wrong)


def test_tools_can_be_restricted_and_a_misspelt_one_is_refused() -> None:
    argv = argv_of(allowed_tools=("read_file", "edit"), disallowed_tools=("bash", "tiny_*"), mcp_servers=(TINY,))
    assert [word for word in argv if "tools=" in word] == [
        "--enabled-tools=read_file",
        "--enabled-tools=edit",
        "--disabled-tools=bash",
        "--disabled-tools=tiny_*",
    ]
    for wrong in ("Bash", "shell", "-p", "tiny_x", "re:.*", ""):
        for kind in ("allowed_tools", "disallowed_tools"):
            with pytest.raises(InvalidRequest, match="not a tool"):
                argv_of(**{kind: (wrong,)})


def test_a_model_is_validated_and_passed_in_the_environment() -> None:
    assert env_of(model="mistral-medium-3.5")["VIBE_ACTIVE_MODEL"] == "mistral-medium-3.5"
    assert "VIBE_ACTIVE_MODEL" not in env_of()
    for wrong in ("--help", "a b", "", "x" * 300):
        with pytest.raises(InvalidRequest):
            env_of(model=wrong)


def test_trap_9_added_directories_are_accessible_but_not_trusted(tmp_path: Path) -> None:
    reached = f"vibe-path:directory_recursive:{tmp_path}"
    low = permissions(Posture.PROMPTED, add_dirs=(str(tmp_path),))
    high = permissions(Posture.ACCEPT_EDITS, add_dirs=(str(tmp_path),))
    assert low["read_file"]["allowlist"] == [reached]
    assert "allowlist" not in low["write_file"]
    assert high["write_file"]["allowlist"] == high["edit"]["allowlist"] == [reached]
    assert "**/.env" in high["read_file"]["denylist"]
    assert not [word for word in argv_of(add_dirs=(str(tmp_path),)) if "add-dir" in word]
    with pytest.raises(InvalidRequest):
        argv_of(add_dirs=("relative",))


def test_mcp_servers_are_passed_in_the_environment_and_no_secret_in_argv() -> None:
    made = build(request(mcp_servers=(TINY, McpServer(name="far", url="https://x/mcp"))), Posture.PROMPTED, FRESH)
    assert json.loads(made.env["VIBE_MCP_SERVERS"]) == [
        {"name": "tiny", "transport": "stdio", "command": "tiny-mcp", "args": ["-v"], "env": {"KEY": "s3cret"}},
        {"name": "far", "transport": "streamable-http", "url": "https://x/mcp"},
    ]
    assert made.env["VIBE_ENABLE_MCP"] == "true"
    assert "s3cret" not in str(made.argv)
    assert [notice.details for notice in made.warnings] == [{"servers": ["tiny", "far"]}]


def test_named_tools_of_a_given_server_may_be_used() -> None:
    options = MistralOptions.model_validate({"mcpTools": ["tiny_whoami"]})
    made = build(request(mcp_servers=(TINY,), options=options), Posture.READ_ONLY, FRESH)
    assert json.loads(made.env["VIBE_TOOLS"])["tiny_whoami"] == {"permission": "always"}
    assert "--enabled-tools=tiny_whoami" in made.argv
    assert made.warnings == ()
    with pytest.raises(InvalidRequest, match="mcpTools"):
        build(request(options=options), Posture.PROMPTED, FRESH)
    build(request(options=options), Posture.PROMPTED, AGAIN)


@pytest.mark.parametrize("name", ["a b", "-x", "x-", "", "ü"])
def test_a_server_whose_name_vibe_would_change_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        argv_of(mcp_servers=(McpServer(name=name, command="x"),))


def test_lesson_45_and_trap_a_run_sees_only_named_variables_of_vibe() -> None:
    info = gateway_describe_provider()
    assert not [name for name in info.env if "*" in name]
    assert "VIBE_BYPASS_TOOL_PERMISSIONS" not in info.env
    assert Posture.WORKSPACE_WRITE not in info.postures
    assert Posture.PLAN not in info.postures
    assert info.default_posture is Posture.ACCEPT_EDITS
    assert info.silent
