from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, strategies as st

from llm_gateway import RUN_FILES, Invocation, McpServer, NativeSessionId, Posture, Prompt, Request, Resume
from llm_gateway.errors import InputTooLarge, InvalidRequest
from llm_gateway_provider_gemini.gemini_cli.argv import build
from llm_gateway_provider_gemini.gemini_cli.rules import MODE_OF
from llm_gateway_provider_gemini.options import GeminiOptions
from llm_gateway_provider_gemini.plugin import GeminiProvider

PROVIDER = GeminiProvider()

ID = NativeSessionId("2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11")
FRESH = Resume(native_id=ID, fresh=True)
AGAIN = Resume(native_id=ID, fresh=False)
LEVELS = list(MODE_OF)
named = {"ids": lambda posture: posture.value}


def made(text: str = "hello", posture: Posture = Posture.PROMPTED, resume: Resume = FRESH, **asked: Any) -> Invocation:
    where = asked.pop("working_dir", "/nowhere")
    request = Request(provider="gemini", prompt=Prompt(text=text), working_dir=where, **asked)
    return build(request, posture, resume, default_model="flash")


def settings_of(invocation: Invocation) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(invocation.files["settings.json"])
    return settings


def rules_of(invocation: Invocation) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = tomli.loads(invocation.files["rules.toml"].decode()).get("rule", [])
    return rules


def decision(invocation: Invocation, tool: str) -> str | None:
    """Return the decision of the rules on a tool, as the program reads them: the highest priority applies."""
    matching = [
        rule
        for rule in rules_of(invocation)
        if tool == rule.get("toolName") or tool in rule.get("toolName", []) or rule.get("toolName") == "*"
        if "mcpName" not in rule
    ]
    best = max(matching, key=lambda rule: rule["priority"], default=None)
    return best["decision"] if best else None


def test_a_plain_request_is_the_base_call() -> None:
    invocation = made()
    assert invocation.argv == (
        *("gemini", "--output-format=stream-json", "--skip-trust", "--extensions=none"),
        *(f"--policy={RUN_FILES}/rules.toml", "--approval-mode=default", f"--session-id={ID}"),
        "--allowed-mcp-server-names=llm-gateway-none",
    )
    assert invocation.stdin == b"hello"


def test_a_resumed_request_passes_the_conversation_id() -> None:
    argv = made(resume=AGAIN).argv
    assert f"--resume={ID}" in argv
    assert not [element for element in argv if element.startswith("--session-id")]


@pytest.mark.parametrize("posture", LEVELS, **named)
def test_trap_2_no_level_below_bypass_can_switch_to_a_higher_mode(posture: Posture) -> None:
    denied = [decision(made(posture=posture), tool) for tool in ("enter_plan_mode", "exit_plan_mode")]
    assert denied == ([None, None] if posture is Posture.BYPASS else ["deny", "deny"])


@pytest.mark.parametrize("posture", LEVELS, **named)
def test_every_level_has_its_mode_and_only_plan_has_plan_mode(posture: Posture) -> None:
    invocation = made(posture=posture)
    assert f"--approval-mode={MODE_OF[posture]}" in invocation.argv
    assert settings_of(invocation)["general"]["plan"]["enabled"] is (posture is Posture.PLAN)


def test_the_users_rules_apply_only_where_they_can_only_restrict() -> None:
    having = {posture for posture in LEVELS if "--policy=~/.gemini/policies" in made(posture=posture).argv}
    assert having == {Posture.BYPASS}


def test_read_only_allows_only_reading_tools() -> None:
    invocation = made(posture=Posture.READ_ONLY)
    assert decision(invocation, "read_file") == "allow"
    assert {decision(invocation, tool) for tool in ("write_file", "run_shell_command", "anything_new")} == {"deny"}


def test_trap_1_conversations_are_kept_with_any_user_settings() -> None:
    assert settings_of(made())["general"]["sessionRetention"] == {"enabled": False}


def test_traps_5_and_12_one_process_limited_retries_no_update_no_telemetry() -> None:
    invocation = made()
    general = settings_of(invocation)["general"]
    assert invocation.env["GEMINI_CLI_NO_RELAUNCH"] == "true"
    assert general["maxAttempts"] == 2
    assert not general["enableAutoUpdate"]
    assert not settings_of(invocation)["privacy"]["usageStatisticsEnabled"]


def test_error_reports_go_into_the_folder_of_the_run() -> None:
    assert made().env["TMPDIR"] == RUN_FILES


def test_traps_10_and_11_the_flag_sets_trust_and_not_the_environment() -> None:
    invocation = made()
    assert "--skip-trust" in invocation.argv
    assert "GEMINI_CLI_TRUST_WORKSPACE" not in invocation.env
    assert settings_of(invocation)["advanced"]["ignoreLocalEnv"]


def test_trap_18_a_default_model_replaces_the_router_unless_the_user_set_one() -> None:
    assert settings_of(made())["model"] == {"name": "flash"}
    assert "--model=pro" in made(model="pro").argv


@pytest.mark.parametrize("text", ["-x", "--help me", "update", "-", "mcp list", "two\n\nparts", "größer 日本語"])
def test_lesson_78_and_traps_13_14_the_prompt_goes_to_stdin_unchanged(text: str) -> None:
    invocation = made(text)
    assert invocation.stdin == text.encode()
    assert invocation.argv == made().argv


@pytest.mark.parametrize("text", ["/cost", "/deploy now", "/"])
def test_lesson_78_a_slash_after_a_line_break_is_not_a_command(text: str) -> None:
    assert made(text).stdin == b"\n" + text.encode()


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("see @here.txt, and @gone.txt", "see \\@here.txt, and @gone.txt"),
        ("me@here.txt", "me\\@here.txt"),
        ("@src", "\\@src"),
        ('@"two words"', '\\@"two words"'),
        ("@two%20words", "\\@two%20words"),
        ("@two\\ words", "\\@two\\ words"),
        ("\\@here.txt", "\\@here.txt"),
        ("@property def x(self)", "@property def x(self)"),
        ("mail me@example.com, @ 5", "mail me@example.com, @ 5"),
        ("end @here.txt.", "end \\@here.txt."),
    ],
)
def test_lesson_78_and_trap_17_a_file_name_is_not_replaced_by_the_file(text: str, sent: str, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("here.txt", "two words"):
        (tmp_path / name).write_text("secret")
    invocation = made(text, working_dir=str(tmp_path))
    assert (invocation.stdin or b"").decode() == sent
    assert not settings_of(invocation)["context"]["fileFiltering"]["enableRecursiveFileSearch"]


def test_file_names_in_added_directories_are_found(tmp_path: Path) -> None:
    (tmp_path / "x.md").touch()
    assert made("@x.md", add_dirs=(str(tmp_path),)).stdin == b"\\@x.md"


def test_a_prompt_that_would_be_truncated_is_refused() -> None:
    assert len(made("x" * 8 * 1024 * 1024).stdin or b"") == 8 * 1024 * 1024
    with pytest.raises(InputTooLarge):
        made("x" * 8 * 1024 * 1024 + "y")
    with pytest.raises(InputTooLarge):
        made(" ".join(f"@{n}" for n in range(20_001)))


def test_limits_become_flags_and_settings() -> None:
    invocation = made(model="gemini-3.8-flash", add_dirs=("/tmp/x y", "/var"), max_turns=3)
    assert {
        "--model=gemini-3.8-flash",
        "--include-directories=/tmp/x y",
        "--include-directories=/var",
    } <= set(invocation.argv)
    assert settings_of(invocation)["model"]["maxSessionTurns"] == 3


SERVERS = (
    McpServer(name="ref_tools", command="search-mcp", args=("--quick",), env={"KEY": "s3cret"}),
    McpServer(name="far", url="https://example.com/mcp"),
)


def test_mcp_servers_go_into_a_file_and_their_secrets_not_into_argv() -> None:
    invocation = made(mcp_servers=SERVERS)
    assert settings_of(invocation)["mcpServers"] == {
        "ref-tools": {"command": "search-mcp", "args": ["--quick"], "env": {"KEY": "s3cret"}},
        "far": {"httpUrl": "https://example.com/mcp"},
    }
    allowed = [element for element in invocation.argv if element.startswith("--allowed-mcp")]
    assert allowed == ["--allowed-mcp-server-names=ref-tools", "--allowed-mcp-server-names=far"]
    assert not [element for element in (*invocation.argv, *invocation.env.values()) if "s3cret" in element]


def test_a_dollar_in_server_values_is_kept_and_missing_variables_are_reported() -> None:
    server = McpServer(name="x", command="run", args=("$HOME",), env={"KEY": "a$b", "PYTHONPATH": "lib"})
    invocation = made(mcp_servers=(server,))
    settings = settings_of(invocation)["mcpServers"]["x"]
    assert settings["args"] == ["${LLM_GATEWAY_NO_SUCH_NAME:-$}HOME"]
    assert settings["env"]["KEY"] == "a${LLM_GATEWAY_NO_SUCH_NAME:-\\$}b"
    assert [notice.details for notice in invocation.warnings] == [{"server": "x", "env": ["PYTHONPATH"]}]


def servers_allowed(invocation: Invocation) -> set[tuple[str, str]]:
    return {(rule["mcpName"], rule["toolName"]) for rule in rules_of(invocation) if "mcpName" in rule}


def test_a_given_server_may_be_used_except_on_read_levels() -> None:
    assert servers_allowed(made(mcp_servers=SERVERS)) == {("ref-tools", "*"), ("far", "*")}
    assert servers_allowed(made(posture=Posture.READ_ONLY, mcp_servers=SERVERS)) == set()
    one = made(posture=Posture.READ_ONLY, mcp_servers=SERVERS, allowed_tools=("mcp_ref_tools_search", "mcp_far"))
    assert servers_allowed(one) == {("ref-tools", "search"), ("far", "*")}


def test_tools_are_allowed_and_denied_by_rules() -> None:
    invocation = made(allowed_tools=("run_shell_command(git status)", "write_file"), disallowed_tools=("glob",))
    assert {"toolName": "run_shell_command", "commandPrefix": "git status", "decision": "allow", "priority": 950} in (
        rules_of(invocation)
    )
    assert decision(invocation, "write_file") == "allow"
    assert decision(made(posture=Posture.BYPASS, disallowed_tools=("write_file",)), "write_file") == "deny"


def test_a_shell_allowed_without_a_pattern_may_redirect() -> None:
    (rule,) = [rule for rule in rules_of(made(allowed_tools=("run_shell_command",))) if rule["decision"] == "allow"]
    assert rule["allowRedirection"]


@pytest.mark.parametrize("tool", ["write_file", "run_shell_command", "run_shell_command(ls)", "exit_plan_mode"])
@pytest.mark.parametrize("posture", [Posture.READ_ONLY, Posture.PLAN], **named)
def test_lesson_49_allowed_tools_do_not_widen_a_read_level_of_gemini(tool: str, posture: Posture) -> None:
    with pytest.raises(InvalidRequest, match="cannot widen"):
        made(posture=posture, allowed_tools=(tool,))


def test_trap_2_a_mode_switching_tool_cannot_be_allowed() -> None:
    assert decision(made(allowed_tools=("exit_plan_mode",)), "exit_plan_mode") == "deny"


@pytest.mark.parametrize(
    "asked",
    [
        {"max_turns": 0},
        {"model": ""},
        {"model": "--help"},
        {"model": "a b"},
        {"add_dirs": ("here",)},
        {"add_dirs": ("/a,b",)},
        {"allowed_tools": ("--yolo",)},
        {"allowed_tools": ("Bash",)},
        {"allowed_tools": ("write_file(x)",)},
        {"allowed_tools": ("mcp_unknown_tool",)},
        {"allowed_tools": ("mcp_far_x(y)",), "mcp_servers": SERVERS},
        {"disallowed_tools": ("",)},
        {"disallowed_tools": ('x"]\n[[rule]]',)},
        {"mcp_servers": (McpServer(name="a b", command="x"),)},
        {"mcp_servers": (McpServer(name="a_b", command="x"), McpServer(name="a-b", command="x"))},
    ],
    ids=str,
)
def test_values_that_gemini_cli_would_misread_or_ignore_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        made(**asked)


@given(names=st.lists(st.text(max_size=30), max_size=3), prefix=st.text(max_size=20), posture=st.sampled_from(LEVELS))
def test_trap_15_the_rules_file_can_be_parsed_for_any_request(names: list[str], prefix: str, posture: Posture) -> None:
    try:
        invocation = made(
            posture=posture, allowed_tools=(f"run_shell_command({prefix})",), disallowed_tools=tuple(names)
        )
    except InvalidRequest:
        return
    assert {rule["decision"] for rule in rules_of(invocation)} <= {"allow", "deny"}


def test_lesson_45_a_run_of_gemini_sees_no_key_of_another_provider_and_no_editor_variables() -> None:
    info = PROVIDER.info
    strangers = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_CLI_IDE_SERVER_PORT", "GEMINI_CLI_TRUST_WORKSPACE"}
    for names in (info.env, *(one.env for one in info.variants.values())):
        assert not strangers & set(names)
        assert not [name for name in names if name.endswith("*")]
    assert "GEMINI_API_KEY" not in info.variants["agy"].env


def test_it_has_few_options() -> None:
    assert len(json.dumps(GeminiOptions.model_json_schema(by_alias=True))) < 1_000
