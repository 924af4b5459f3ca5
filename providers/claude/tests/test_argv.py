from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import RUN_FILES, Invocation, McpServer, NativeSessionId, Posture, Prompt, Request, Resume
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_claude.argv import LEVELS, build
from llm_gateway_provider_claude.options import ClaudeOptions
from llm_gateway_provider_claude.plugin import gateway_describe_provider

ID = NativeSessionId("2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11")
FRESH = Resume(native_id=ID, fresh=True)
AGAIN = Resume(native_id=ID, fresh=False)
KNOWN_FLAGS = {
    *("-p", "--output-format", "stream-json", "--verbose", "--input-format", "--strict-mcp-config", "--restricted"),
    *("--setting-sources", ""),
}


def request(text: str = "hello", **asked: Any) -> Request:
    return Request(provider="claude", prompt=asked.pop("prompt", None) or Prompt(text=text), working_dir="/", **asked)


def argv_of(posture: Posture = Posture.PROMPTED, resume: Resume = FRESH, **asked: Any) -> tuple[str, ...]:
    return build(request(**asked), posture, resume, root=False).argv


def words_of(invocation: Invocation) -> list[dict[str, Any]]:
    blocks = json.loads(invocation.stdin or b"")["message"]["content"]
    assert not blocks[-1]["text"].strip(), "Claude Code interprets the last block, so it must be blank"
    return list(blocks[:-1])


def test_a_plain_request_is_the_base_call() -> None:
    assert argv_of() == (
        *("claude", "-p", "--output-format", "stream-json", "--verbose", "--input-format", "stream-json"),
        *("--permission-prompts=none", "--strict-mcp-config", "--setting-sources", ""),
        *(f"--session-id={ID}", "--permission-mode=default"),
    )


def test_a_resumed_request_passes_the_conversation_id() -> None:
    argv = argv_of(resume=AGAIN)
    assert f"--resume={ID}" in argv
    assert not [element for element in argv if element.startswith("--session-id")]


@given(text=st.text(min_size=1, max_size=300))
def test_lesson_78_any_prompt_arrives_as_the_same_text(text: str) -> None:
    invocation = build(request(text), Posture.PROMPTED, FRESH, root=False)
    assert [block["text"] for block in words_of(invocation)] == [text]
    assert invocation.argv == argv_of()


@pytest.mark.parametrize("text", ["/cost", "@/etc/passwd", "--help", "- a list", "update", "see @secret.txt"])
def test_lesson_78_commands_paths_and_flags_are_never_the_last_block(text: str) -> None:
    assert words_of(build(request(text), Posture.PROMPTED, FRESH, root=False))[0]["text"] == text


def test_lesson_22_a_prompt_of_100000_characters_goes_to_stdin() -> None:
    invocation = build(request("€" * 100_000), Posture.PROMPTED, FRESH, root=False)
    assert max(map(len, invocation.argv)) < 100
    assert words_of(invocation)[0]["text"] == "€" * 100_000


def test_variables_limit_retries_updates_and_telemetry() -> None:
    assert build(request(), Posture.PROMPTED, FRESH, root=False).env == {
        "CLAUDE_CODE_MAX_RETRIES": "2",
        "CLAUDE_CODE_PROMPT_CACHE_TTL": "5m",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


@pytest.mark.parametrize("posture", Posture, ids=lambda posture: posture.value)
def test_every_level_sets_its_permission_mode(posture: Posture) -> None:
    assert set(LEVELS[posture]) <= set(argv_of(posture))
    assert sum(element.startswith("--permission-mode=") for element in argv_of(posture)) == 1


def test_lesson_84_a_missing_sandbox_ends_the_run() -> None:
    made = build(request(), Posture.WORKSPACE_WRITE, FRESH, root=False)
    assert f"--settings={RUN_FILES}/settings.json" in made.argv
    sandbox = json.loads(made.files["settings.json"])["sandbox"]
    assert sandbox["failIfUnavailable"] is True
    assert sandbox["allowUnsandboxedCommands"] is False


@pytest.mark.parametrize("posture", Posture, ids=lambda posture: posture.value)
def test_only_bypass_as_root_sets_is_sandbox(posture: Posture) -> None:
    as_root = build(request(), posture, FRESH, root=True).env.get("IS_SANDBOX")
    assert as_root == ("1" if posture is Posture.BYPASS else None)
    assert "IS_SANDBOX" not in build(request(), posture, FRESH, root=False).env


@pytest.mark.parametrize("posture", Posture, ids=lambda posture: posture.value)
def test_lesson_83_no_setting_or_server_of_a_project_loads_on_any_level(posture: Posture) -> None:
    argv = argv_of(posture)
    assert argv[argv.index("--setting-sources") + 1] == ""
    assert "--strict-mcp-config" in argv


def test_an_idle_timeout_turns_partial_messages_on() -> None:
    assert "--include-partial-messages" in argv_of(idle_timeout_s=60.0)
    assert "--include-partial-messages" not in argv_of()


def test_limits_become_flags() -> None:
    argv = argv_of(max_turns=3, max_budget_usd=0.5, effort="high", model="opus", add_dirs=("/tmp/x y", "/var"))
    assert {"--max-turns=3", "--max-budget-usd=0.5", "--effort=high", "--model=opus"} <= set(argv)
    assert {"--add-dir=/tmp/x y", "--add-dir=/var"} <= set(argv)


@pytest.mark.parametrize(
    "asked",
    [
        {"max_turns": 0},
        {"max_budget_usd": 0.0},
        {"max_budget_usd": float("nan")},
        {"effort": "extreme"},
        {"model": ""},
        {"model": "--help"},
        {"model": "a b"},
        {"add_dirs": ("here",)},
        {"allowed_tools": ("--dangerously-skip-permissions",)},
        {"allowed_tools": ("Read Write",)},
        {"allowed_tools": ("Read,Write",)},
        {"allowed_tools": ("Read(a),Write(b)",)},
        {"disallowed_tools": ("",)},
        {"mcp_servers": (McpServer(name="a b", command="x"),)},
        {"options": ClaudeOptions(fallbackModel="sonnet,,haiku")},
    ],
    ids=str,
)
def test_values_that_claude_code_would_misread_or_ignore_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        argv_of(**asked)


@given(
    names=st.lists(st.text(max_size=30), max_size=3),
    model=st.none() | st.text(max_size=30),
    schema=st.none() | st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3),
    words=st.none() | st.text(min_size=1, max_size=30),
    posture=st.sampled_from(Posture),
)
def test_no_value_is_read_as_a_flag_or_takes_the_next_argument(
    names: list[str], model: str | None, schema: dict[str, str] | None, words: str | None, posture: Posture
) -> None:
    asked: dict[str, Any] = {
        "allowed_tools": tuple(names),
        "disallowed_tools": tuple(names),
        "model": model,
        "output_schema": schema,
    }
    try:
        argv = argv_of(posture, options=ClaudeOptions(appendSystemPrompt=words), **asked)
    except InvalidRequest:
        return
    for element in argv[1:]:
        flag, joined, _ = element.partition("=")
        assert element in KNOWN_FLAGS or (joined and flag.startswith("--"))
    assert len(argv) <= 20 + 2 * len(names)


@pytest.mark.parametrize("tool", ["Write", "Bash(git status)", "Bash"])
@pytest.mark.parametrize("posture", [Posture.READ_ONLY, Posture.PLAN], ids=lambda posture: posture.value)
def test_lesson_49_allowed_tools_do_not_widen_a_read_level(tool: str, posture: Posture) -> None:
    with pytest.raises(InvalidRequest, match="cannot widen"):
        argv_of(posture, allowed_tools=(tool,))


def test_reading_tools_may_be_allowed_on_the_lowest_level() -> None:
    assert "--allowedTools=mcp__search" in argv_of(Posture.READ_ONLY, allowed_tools=("Read", "mcp__search"))


def test_mcp_servers_go_into_a_file_and_their_secrets_not_into_argv() -> None:
    servers = (
        McpServer(name="search", command="search-mcp", args=("--quick",), env={"KEY": "s3cret"}),
        McpServer(name="far", url="https://example.com/mcp"),
    )
    invocation = build(request(mcp_servers=servers), Posture.PROMPTED, FRESH, root=False)
    assert f"--mcp-config={RUN_FILES}/mcp.json" in invocation.argv
    assert json.loads(invocation.files["mcp.json"]) == {
        "mcpServers": {
            "search": {"type": "stdio", "command": "search-mcp", "args": ["--quick"], "env": {"KEY": "s3cret"}},
            "far": {"type": "http", "url": "https://example.com/mcp"},
        }
    }
    assert not [element for element in (*invocation.argv, *invocation.env.values()) if "s3cret" in element]


def test_a_given_server_may_be_used_except_on_read_levels() -> None:
    given: dict[str, Any] = {"mcp_servers": (McpServer(name="search", command="x"),)}
    assert "--allowedTools=mcp__search" in argv_of(Posture.PROMPTED, **given)
    assert "--allowedTools=mcp__search" not in argv_of(Posture.READ_ONLY, **given)


def test_the_system_prompt_goes_into_a_file_and_applies_to_a_resumed_turn() -> None:
    options = ClaudeOptions(appendSystemPrompt="be brief")
    fresh = build(request(options=options), Posture.PROMPTED, FRESH, root=False)
    again = build(request(options=options), Posture.PROMPTED, AGAIN, root=False)
    assert fresh.files == again.files == {"system.md": b"be brief"}
    assert "--system-prompt-snapshot=off" in again.argv
    assert "--system-prompt-snapshot=off" not in fresh.argv


def test_the_stable_prefix_is_marked_once_at_its_end() -> None:
    prompt = Prompt(text="rules\n\ntask", prefix="rules\n\n", cache_control=("system",))
    fresh = build(request(prompt=prompt), Posture.PROMPTED, FRESH, root=False)
    assert words_of(fresh) == [
        {"type": "text", "text": "rules\n\n", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        {"type": "text", "text": "task"},
    ]
    assert fresh.env["CLAUDE_CODE_PROMPT_CACHE_TTL"] == "5m"
    assert not fresh.warnings


def test_a_second_mark_in_a_conversation_is_left_out_with_a_warning() -> None:
    prompt = Prompt(text="rules\n\ntask", prefix="rules\n\n", cache_control=("system",))
    again = build(request(prompt=prompt), Posture.PROMPTED, AGAIN, root=False)
    assert words_of(again) == [{"type": "text", "text": "rules\n\ntask"}]
    assert [notice.code for notice in again.warnings] == ["cache_control_unsupported"]


def test_the_mark_has_the_ttl_of_the_programs_marks() -> None:
    prompt = Prompt(text="rules\n\ntask", prefix="rules\n\n", cache_control=("context",))
    made = build(request(prompt=prompt, options=ClaudeOptions(cacheTtl="1h")), Posture.PROMPTED, FRESH, root=False)
    assert words_of(made)[0]["cache_control"]["ttl"] == made.env["CLAUDE_CODE_PROMPT_CACHE_TTL"] == "1h"


def test_lesson_45_a_run_sees_no_key_of_another_provider_and_no_parent_session() -> None:
    names = gateway_describe_provider().env
    assert "ANTHROPIC_*" in names
    assert "CLAUDE_CONFIG_DIR" in names
    for other in ("OPENAI_API_KEY", "GEMINI_API_KEY", "CLAUDE_CODE_SESSION_ID", "CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT"):
        assert not [n for n in names if other == n or (n.endswith("*") and other.startswith(n[:-1]))]


def test_the_schema_of_its_options_stays_small() -> None:
    assert len(json.dumps(ClaudeOptions.model_json_schema(by_alias=True))) < 1_000
