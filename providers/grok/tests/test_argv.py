from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import (
    RUN_FILES,
    Access,
    Invocation,
    McpServer,
    NativeSessionId,
    Opened,
    Posture,
    Prompt,
    Request,
    Resume,
)
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_grok.argv import DENIED, ENV, LEVELS, PLANNING, build
from llm_gateway_provider_grok.options import GrokOptions
from llm_gateway_provider_grok.places import denied_secrets, opens
from llm_gateway_provider_grok.plugin import gateway_describe_provider
from llm_gateway_provider_kit.own_home import HOME

ID = NativeSessionId("2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11")
FRESH = Resume(native_id=ID, fresh=True)
AGAIN = Resume(native_id=ID, fresh=False)
LOOKING = [Posture.READ_ONLY, Posture.PLAN]
every_level = pytest.mark.parametrize("posture", LEVELS, ids=lambda posture: posture.value)


def made(text: str = "hello", posture: Posture = Posture.PROMPTED, resume: Resume = FRESH, **asked: Any) -> Invocation:
    asked = {"working_dir": "/", **asked}
    return build(Request(provider="grok", prompt=Prompt(text=text), **asked), posture, resume)


def argv_of(posture: Posture = Posture.PROMPTED, **asked: Any) -> tuple[str, ...]:
    """Grok's own command, after what starts it."""
    argv = made(posture=posture, **asked).argv
    return argv[argv.index("grok") :]


SECRETS = {f"--deny={rule}" for rule in denied_secrets((), "/")}


def rules(argv: tuple[str, ...], flag: str) -> set[str]:
    """Return the rules of one flag, without the denials of keys and logins."""
    return {part.removeprefix(f"--{flag}=") for part in argv if part.startswith(f"--{flag}=") and part not in SECRETS}


def test_a_plain_request_of_grok_is_the_base_call() -> None:
    assert tuple(part for part in argv_of() if part not in SECRETS) == (
        *("grok", "--prompt-file=/dev/stdin", "--verbatim", "--output-format=streaming-json", "--cwd=/"),
        *(f"--session-id={ID}", "--permission-mode=default"),
        *("--deny=Edit", "--deny=Bash(touch *)", "--deny=Bash(mkdir *)", "--disallowed-tools=send_feedback"),
    )


def test_trap_6_a_new_session_has_an_id_of_the_gateway_and_an_artifact_with_it() -> None:
    assert f"--session-id={ID}" in argv_of()
    assert made().artifacts == (f"{RUN_FILES}/{ID}",)
    assert f"--resume={ID}" in argv_of(resume=AGAIN)
    assert not rules(argv_of(resume=AGAIN), "session-id")


@every_level
def test_trap_3_every_level_sets_the_permission_mode(posture: Posture) -> None:
    assert len(rules(argv_of(posture), "permission-mode")) == 1
    assert set(LEVELS[posture]) <= set(argv_of(posture))


def test_trap_2_no_level_uses_modes_that_restrict_nothing() -> None:
    modes = {mode for posture in LEVELS for mode in rules(argv_of(posture), "permission-mode")}
    assert modes == {"default", "bypassPermissions"}


@pytest.mark.parametrize("posture", LOOKING, ids=lambda posture: posture.value)
def test_trap_10_a_read_level_has_few_tools_and_denial_rules(posture: Posture) -> None:
    argv = argv_of(posture)
    assert "--tools=read_file,grep,list_dir" in argv
    assert rules(argv, "deny") == {"Edit", "Bash", "MCPTool"}


def test_plan_adds_an_instruction() -> None:
    assert f"--rules={PLANNING}" in argv_of(Posture.PLAN, options=GrokOptions(rules="be brief"))
    assert f"--rules={PLANNING}" not in argv_of(Posture.READ_ONLY)


def test_accept_edits_allows_edits_inside_and_denies_the_shell() -> None:
    argv = argv_of(Posture.ACCEPT_EDITS)
    assert rules(argv, "allow") == {"Edit(./**)"}
    assert "Bash" in rules(argv, "deny")


def test_accept_edits_denies_paths_outside_unless_the_caller_names_them(tmp_path: Path) -> None:
    given: dict[str, Any] = {"working_dir": str(tmp_path)}
    assert len(rules(argv_of(Posture.ACCEPT_EDITS, **given), "deny")) > 50
    named = argv_of(Posture.ACCEPT_EDITS, allowed_tools=("Edit(/elsewhere/**)",), **given)
    assert rules(named, "deny") == {"Bash", "Bash(touch *)", "Bash(mkdir *)"}


@every_level
def test_no_level_below_bypass_may_read_keys_and_logins(posture: Posture) -> None:
    assert set(argv_of(posture)) >= SECRETS or posture is Posture.BYPASS
    assert len(SECRETS) > 100


def test_only_the_secret_path_that_the_caller_names_is_not_denied() -> None:
    left = {part for part in argv_of(allowed_tools=("Read(~/.aws/**)",)) if part in SECRETS}
    assert "--deny=Read(~/.aws/**)" not in left
    assert {"--deny=Read(~/.ssh/**)", "--deny=Grep(~/.ssh)"} <= left
    assert {part for part in argv_of(allowed_tools=("Read(/usr/**)", "Read")) if part in SECRETS} == SECRETS


@pytest.mark.parametrize("tool", ["Edit", "Write"])
def test_lesson_103_an_editing_rule_without_a_pattern_is_limited_to_the_directory(tool: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"working_dir": str(tmp_path), "allowed_tools": (tool,)}
    for posture in (Posture.PROMPTED, Posture.ACCEPT_EDITS):
        argv = argv_of(posture, **given)
        assert rules(argv, "allow") == {"Edit(./**)"}
        assert len(rules(argv, "deny")) > 50, "every path outside is denied"


OPENED = [
    ("Read", Access.LOOK, ()),
    ("Edit", Access.EDIT, ()),
    ("Write(src/**)", Access.EDIT, ("/srv/src",)),
    ("Read(~/.ssh/**)", Access.LOOK, ("~/.ssh",)),
    ("Edit(/etc/**)", Access.EDIT, ("/etc",)),
    ("Grep(../*)", Access.LOOK, ("/",)),
    ("Bash", Access.SHELL, ()),
    ("Bash(git *)", Access.SHELL_COMMAND, ()),
    ("MCPTool(search__*)", Access.SERVER, ()),
    ("mcp__search", Access.SERVER, ()),
    ("WebFetch", Access.OTHER, ()),
]


@pytest.mark.parametrize(("entry", "access", "places"), OPENED)
def test_what_an_entry_of_allowed_tools_opens_in_grok(entry: str, access: Access, places: tuple[str, ...]) -> None:
    request = Request(provider="grok", prompt=Prompt(text="x"), working_dir="/srv", allowed_tools=(entry,))
    assert opens(request) == [Opened(entry=entry, access=access, places=places)]


def test_a_directory_is_passed_as_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert f"--cwd={tmp_path.resolve()}/real" in argv_of(working_dir=str(tmp_path / "link"))


def test_a_level_that_grok_cannot_enforce_is_not_declared() -> None:
    assert Posture.WORKSPACE_WRITE not in gateway_describe_provider().postures


def test_a_tool_that_the_caller_allows_is_not_denied_by_the_level() -> None:
    argv = argv_of(Posture.ACCEPT_EDITS, allowed_tools=("Bash(git *)",))
    assert "Bash(git *)" in rules(argv, "allow")
    assert rules(argv, "deny") == {"Bash(touch *)", "Bash(mkdir *)", "Edit(~*)", "Edit(~*/**)"}
    assert "Edit" not in rules(argv_of(allowed_tools=("Write(src/**)",)), "deny")
    assert rules(argv_of(allowed_tools=("Bash(touch *)",)), "deny") == {"Edit", "Bash(mkdir *)"}


@pytest.mark.parametrize("tool", ["Write", "Edit(./**)", "Bash(git status)", "Bash", "WebFetch"])
@pytest.mark.parametrize("posture", LOOKING, ids=lambda posture: posture.value)
def test_lesson_49_allowed_tools_do_not_widen_a_read_level(tool: str, posture: Posture) -> None:
    with pytest.raises(InvalidRequest, match="cannot widen"):
        argv_of(posture, allowed_tools=(tool,))


def test_trap_10_a_tool_name_that_grok_would_ignore_is_refused() -> None:
    for name in ("run_terminal_command", "write", "bash", "Shell", "Agent(model:x) x", ""):
        with pytest.raises(InvalidRequest, match="not a tool"):
            argv_of(disallowed_tools=(name,))
    with pytest.raises(InvalidRequest, match="Agent"):
        argv_of(allowed_tools=("Agent",))


def test_rules_travel_in_a_file_and_the_schema_in_argv_for_want_of_another_way() -> None:
    invocation = made(options=GrokOptions(rules="a secret rule"), output_schema={"type": "object"})
    assert f"--agent={RUN_FILES}/agent.md" in invocation.argv
    assert invocation.files["agent.md"].decode().endswith("---\na secret rule\n")
    assert b"mcpServers" not in invocation.files["agent.md"]
    assert [word for word in invocation.argv if "secret rule" in word] == []
    assert '--json-schema={"type":"object"}' in invocation.argv
    with pytest.raises(InvalidRequest, match="half a character"):
        made(options=GrokOptions.model_construct(rules="half \ud800"))


def test_disallowed_tools_become_rules_and_sub_agents_are_removed() -> None:
    argv = argv_of(Posture.BYPASS, disallowed_tools=("Bash(rm *)", "Agent", "mcp__search", "mcp__search__find"))
    assert rules(argv, "deny") == {"Bash(rm *)", "MCPTool(search__*)", "MCPTool(search__find)"}
    assert "--disallowed-tools=send_feedback,Agent" in argv


@given(text=st.text(min_size=1, max_size=300))
def test_lesson_78_any_prompt_of_grok_goes_to_standard_input(text: str) -> None:
    invocation = made(text)
    assert (invocation.stdin or b"").decode().replace("\u2060", "") == text.replace("\u2060", "")
    assert invocation.argv == made().argv


@pytest.mark.parametrize(
    "text", ["-p", "- a list", "--help", "update", "!ls", "see a@b.c", "/tmp/x is broken", "a\n/b"]
)
def test_lesson_78_text_without_a_meaning_for_grok_is_unchanged(text: str) -> None:
    invocation = made(text)
    assert invocation.stdin == text.encode()
    assert not invocation.warnings


@pytest.mark.parametrize("text", ["/context", "/compact now", "  \n/always-approve", "/local:commit"])
def test_trap_8_a_command_gets_a_word_joiner_and_a_notice(text: str) -> None:
    invocation = made(text)
    assert invocation.stdin == text.replace("/", "/\u2060", 1).encode()
    assert [notice.code for notice in invocation.warnings] == ["prompt_guarded"]


def test_lesson_78_a_mentioned_file_is_not_attached(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").touch()
    for before in ("", "see ", "(", "\u200b", "@"):
        for path in ("secret.txt", "./secret.txt", f"{tmp_path}/secret.txt", "secret.txt:1-3"):
            words = made(f"{before}@{path} please", working_dir=str(tmp_path)).stdin or b""
            assert words.decode() == f"{before}@\u2060{path} please"


def test_decorators_and_addresses_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "property").touch()
    text = "@pytest.fixture\ndef f(): ...\nwrite to me@property or @nobody, @Override"
    assert made(text, working_dir=str(tmp_path)).stdin == text.encode()


def test_many_mentions_are_looked_up_in_bounded_time() -> None:
    text = " ".join(f"@name{number}" for number in range(300_000))
    assert len(made(text).stdin or b"") > len(text)


def test_lesson_85_trap_4_variables_limit_retries_updates_and_telemetry_of_grok() -> None:
    assert made().env == ENV
    assert ENV["GROK_MAX_RETRIES"] == "1"
    assert ENV["GROK_TURN_TRANSIENT_RETRY"] == "0"


def test_trap_11_the_key_does_not_reach_commands_of_the_agent() -> None:
    policy = json.loads(ENV["GROK_CONFIG"])["shell_environment_policy"]
    assert policy == {"exclude": ["XAI_API_KEY", "GROK_CODE_XAI_API_KEY"]}


def test_lesson_45_a_run_of_grok_sees_no_key_of_another_provider_and_no_permissions() -> None:
    names = gateway_describe_provider().env
    assert "XAI_API_KEY" in names
    assert not [name for name in names if name.endswith("*")]
    assert not {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROK_FOLDER_TRUST", "GROK_SANDBOX", "GROK_CONFIG"} & {*names}


def test_limits_become_flags_of_grok() -> None:
    argv = argv_of(max_turns=3, effort="high", model="grok-4.6", output_schema={"type": "object"})
    assert {"--max-turns=3", "--reasoning-effort=high", "--model=grok-4.6", '--json-schema={"type":"object"}'} <= {
        *argv
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"max_turns": 0},
        {"max_turns": 2**32},
        {"effort": "extreme"},
        {"model": ""},
        {"model": "--help"},
        {"model": "a b"},
        {"allowed_tools": ("--always-approve",)},
        {"allowed_tools": ("Read,Write",)},
        {"mcp_servers": (McpServer(name="a b", command="x"),)},
        {"mcp_servers": (McpServer(name="1st", command="x"),)},
        {"mcp_servers": (McpServer(name="a__b", command="x"),)},
        {"mcp_servers": (McpServer(name="a_", command="x"),)},
    ],
    ids=str,
)
def test_values_that_grok_would_misread_or_ignore_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        argv_of(**asked)


@given(
    names=st.lists(st.text(max_size=30), max_size=3),
    model=st.none() | st.text(max_size=30),
    words=st.none() | st.text(min_size=1, max_size=30),
    posture=st.sampled_from(list(LEVELS)),
)
def test_no_value_of_grok_is_read_as_a_flag(
    names: list[str], model: str | None, words: str | None, posture: Posture
) -> None:
    try:
        argv = argv_of(posture, options=GrokOptions(rules=words), disallowed_tools=tuple(names), model=model)
    except InvalidRequest:
        return
    for element in argv[1:]:
        flag, joined, _ = element.partition("=")
        assert element == "--verbatim" or (joined and flag.startswith("--"))


def test_servers_go_into_a_file_and_their_secrets_not_into_argv() -> None:
    servers = (
        McpServer(name="search", command="search-mcp", args=("--quick",), env={"KEY": "s3cret"}),
        McpServer(name="far", url="https://example.com/mcp"),
    )
    invocation = made(mcp_servers=servers)
    assert f"--agent={RUN_FILES}/agent.md" in invocation.argv
    head = invocation.files["agent.md"].decode().splitlines()
    given = json.loads(next(line for line in head if line.startswith("mcpServers: ")).partition(" ")[2])
    assert given == [
        {
            "search": {
                "type": "stdio",
                "command": "search-mcp",
                "args": ["--quick"],
                "env": {"HOME": HOME, "KEY": "s3cret"},
            }
        },
        {"far": {"type": "http", "url": "https://example.com/mcp"}},
    ]
    assert not [element for element in (*invocation.argv, *invocation.env.values()) if "s3cret" in element]


def test_a_given_server_of_grok_may_be_used_except_on_read_levels() -> None:
    given: dict[str, Any] = {"mcp_servers": (McpServer(name="search", command="x"),)}
    assert "MCPTool(search__*)" in rules(argv_of(**given), "allow")
    assert "MCPTool" in rules(argv_of(Posture.READ_ONLY, **given), "deny")
    named = argv_of(Posture.READ_ONLY, allowed_tools=("mcp__search",), **given)
    assert "MCPTool(search__*)" in rules(named, "allow")
    assert "MCPTool" not in rules(named, "deny")


def test_a_sandbox_is_passed_on_every_turn() -> None:
    for resume in (FRESH, AGAIN):
        assert "--sandbox=workspace" in argv_of(Posture.BYPASS, options=GrokOptions(sandbox="workspace"), resume=resume)


def test_the_schema_of_the_options_of_grok_stays_small() -> None:
    assert len(json.dumps(GrokOptions.model_json_schema(by_alias=True))) < 1_000


def test_every_level_has_its_denials() -> None:
    assert DENIED.keys() == LEVELS.keys()
