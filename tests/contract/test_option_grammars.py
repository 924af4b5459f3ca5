"""Whatever a caller asks, all at once, the program understands it as it was meant: nothing of it is a flag, a word or a right."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import tomli
from hypothesis import given, strategies as st
from pydantic import ValidationError

from llm_gateway import Invocation, McpServer, NativeSessionId, Posture, Prompt, Request, Resume
from llm_gateway_provider_claude.places import rules_of
from llm_gateway_testing.contract.provider_case import ProviderCase, bounded
from tests.contract.option_grammar import GRAMMARS, Understood, understand

ID = "01a202a7-89a6-7102-a238-ec4d2ea0f1da"
TRICKS = (
    *("--help", "-h", "--", "-", "-p", "--yolo", "--model=x", "--dangerously-skip-permissions", "--add-dir=/", "-cx=y", "="),
    *("@/etc/passwd", "/quit", "!ls", "resume", "review", "a,b", "a, b", "a b", 'a"b', "a'b", "a\\", "$HOME", "`id`", "~"),
    *("a\nb", "a\rb", "a\tb", "a\0b", "\ud800", "\u2028", "\x7f", "\x1b[0m", "re:.*", "*", "[x]\ny=1", "é" * 300, "x=y", ""),
    *("Bash(git *)", "Bash(x),Write", "Read", "Edit(./**)", "Agent(a,b)", "read_file", "mcp__s__t", "search_find", "opus", "high"),
)  # fmt: skip
TOOLS = ("Read", "Bash(git *)", "Agent", "Agent(a,b)", "MCPTool(search__x)", "read_file", "bash", "search_find", "glob")
WORDS = st.one_of(st.sampled_from(TRICKS), st.text(max_size=30), st.text(max_size=20).map(lambda text: f"-{text}"))
SEVERAL = st.lists(st.one_of(st.sampled_from(TOOLS), WORDS), max_size=3).map(tuple)
SERVERS = st.lists(
    st.builds(
        McpServer,
        name=st.one_of(st.sampled_from(["search", "a-b", "x_y"]), WORDS),
        command=WORDS,
        args=SEVERAL,
        env=st.dictionaries(st.one_of(st.just("KEY"), WORDS), WORDS, max_size=2),
        url=st.one_of(st.none(), st.none(), WORDS),
    ),
    max_size=2,
).map(tuple)
ASKED: dict[str, st.SearchStrategy[Any]] = {
    "model": WORDS,
    "effort": WORDS,
    "add_dirs": st.lists(st.one_of(WORDS.map(lambda word: f"/{word}"), WORDS), max_size=2).map(tuple),
    "allowed_tools": SEVERAL,
    "disallowed_tools": SEVERAL,
    "mcp_servers": SERVERS,
    "max_turns": st.integers(-3, 2**40),
    "max_budget_usd": st.floats(),
    "output_schema": st.dictionaries(WORDS, WORDS, max_size=2),
    "idle_timeout_s": st.floats(30, 3600),
    "timeout_s": st.floats(1, 86_400),
}
OWN: dict[
    str, dict[str, st.SearchStrategy[Any]]
] = {  # options of each provider that are words, and go into its command
    "claude": {"appendSystemPrompt": WORDS, "fallbackModel": WORDS},
    "grok": {"rules": WORDS, "sandbox": st.sampled_from(["workspace", "read-only"])},
    "mistral": {"mcpTools": st.lists(WORDS, max_size=2)},
    "codex": {"search": st.booleans()},
}
Wish = Callable[[Request, Understood], None]


def as_asked(values: Sequence[str], asked: Sequence[str]) -> None:
    assert list(values) == list(asked)


def claude(request: Request, understood: Understood) -> None:
    as_asked(understood.values("--add-dir"), request.add_dirs)
    given = [f"mcp__{server.name}" for server in request.mcp_servers]
    rules = [rule for entry in request.allowed_tools for rule in rules_of(entry, request)]  # a bare `Read` has a place
    assert understood.values("--allowedTools")[: len(rules)] == rules
    assert set(understood.values("--allowedTools")) <= {*rules, *given}
    as_asked(understood.values("--disallowedTools"), request.disallowed_tools)
    for rule in (*request.allowed_tools, *request.disallowed_tools):
        assert rule.count("(") <= 1
        assert not any(mark in rule.partition("(")[0] for mark in ", \n"), "a list, where one rule was checked"


def codex(request: Request, understood: Understood) -> None:
    as_asked(understood.values("--add-dir"), request.add_dirs)
    for override in understood.values("-c"):
        key, _, value = override.partition("=")
        said = tomli.loads(f"value = {value}")
        assert list(said) == ["value"], "one setting became several"
        if key.startswith("mcp_servers."):
            assert key.split(".")[1] in [server.name for server in request.mcp_servers]
            assert len(key.split(".")) == 3


def gemini(request: Request, understood: Understood) -> None:
    as_asked(understood.values("--include-directories"), request.add_dirs)
    names = [server.name.replace("_", "-") for server in request.mcp_servers]
    as_asked(understood.values("--allowed-mcp-server-names"), names or ["llm-gateway-none"])


def agy(request: Request, understood: Understood) -> None:
    as_asked(understood.values("--add-dir"), request.add_dirs)


def grok(request: Request, understood: Understood) -> None:
    gone = understood.values("--disallowed-tools")
    assert gone[0] == "send_feedback"
    assert set(gone[1:]) == {rule for rule in request.disallowed_tools if rule.startswith("Agent")}
    rights = len(request.allowed_tools) + len(request.mcp_servers) + 1
    assert len(understood.values("--allow")) <= rights


def mistral(request: Request, understood: Understood) -> None:
    as_asked(understood.values("--disabled-tools"), request.disallowed_tools)
    own = request.options.model_dump().get("mcp_tools") or () if request.options else ()
    looking = ["read_file", "grep", "todo"]
    assert set(understood.values("--enabled-tools")) <= {*request.allowed_tools, *own, *looking}
    assert understood.options[-1] == ("-p", None)


#: Provider and variant, its own look at what is understood, its caller's flags, and the words that a fresh and a resumed run hold.
PROGRAMS: dict[str, tuple[str, Wish, str, list[str], list[str]]] = {
    "claude": (
        "claude",
        claude,
        "--model --fallback-model --max-turns --max-budget-usd --effort --json-schema --add-dir --allowedTools"  # noqa: ISC004
        " --disallowedTools --mcp-config --append-system-prompt-file --system-prompt-snapshot --include-partial-messages",
        [],
        [],
    ),
    "codex": (
        "codex",
        codex,
        "--model --add-dir -c --output-schema",
        ["exec", "-"],
        ["exec", "resume", ID, "-"],
    ),
    "gemini": (
        "gemini",
        gemini,
        "--model --include-directories --allowed-mcp-server-names",
        [],
        [],
    ),
    "agy": ("gemini", agy, "--model --effort --json-schema --add-dir --print-timeout", [], []),
    "grok": (
        "grok",
        grok,
        "--model --max-turns --reasoning-effort --json-schema --allow --deny --disallowed-tools --agent --rules --sandbox",
        [],
        [],
    ),
    "mistral": ("mistral", mistral, "--max-turns --max-price --enabled-tools --disabled-tools", [], []),
}


def case(program: str) -> ProviderCase:
    provider = PROGRAMS[program][0]

    class Case(ProviderCase):
        plugin = import_module(f"llm_gateway_provider_{provider}.plugin")
        name = provider
        variant = program if provider == "gemini" else ""

    return Case()


def rights(program: str, understood: Understood) -> list[tuple[str, str | None]]:
    """All that a caller's words have no part in."""
    theirs = PROGRAMS[program][2].split()
    return [(name, value) for name, value in understood.options if name not in theirs]


def _own_arguments(executable: str, argv: Sequence[str]) -> Sequence[str]:
    """The arguments of the program itself: a launcher may come before its name, without a word of the caller."""
    return argv[argv.index(executable) + 1 :]


@pytest.mark.parametrize("program", PROGRAMS)
@bounded
@given(data=st.data())
def test_a_program_understands_what_was_asked_and_nothing_else(program: str, data: st.DataObject) -> None:
    provider, look, _, fresh_words, resumed_words = PROGRAMS[program]
    asks = case(program)
    wishes = ASKED | OWN.get(provider, {})
    names = data.draw(st.sets(st.sampled_from(sorted(wishes)), max_size=3))  # of many wishes one is always refused
    asked = {name: data.draw(wishes[name]) for name in sorted(names & ASKED.keys())}
    options = {name: data.draw(wishes[name]) for name in sorted(names - ASKED.keys())}
    posture = data.draw(st.sampled_from(asks.info.postures))
    resume = Resume(native_id=NativeSessionId(ID), fresh=False) if data.draw(st.booleans()) else asks.fresh()
    try:
        chosen = asks.info.options_model.model_validate(options)
    except ValidationError:
        return
    words = Prompt(text=data.draw(WORDS.filter(str.strip)))
    request = replace(asks.request(options=chosen), prompt=words, **asked)
    made = asks.try_build(request, posture, resume)
    if made is None:
        return
    understood = understand(GRAMMARS[program], _own_arguments(asks.info.executable, made.argv))
    assert understood.words == (fresh_words if resume.fresh else resumed_words)
    plain = understand(
        GRAMMARS[program], _own_arguments(asks.info.executable, plainly(asks, posture, resume, request).argv)
    )
    assert rights(program, understood) == rights(program, plain), "a caller's words changed what the run may do"
    if request.model is not None and "--model" in PROGRAMS[program][2].split():
        assert understood.values("--model") == [request.model]
    for value in understood.values("--json-schema"):
        assert json.loads(value) == request.output_schema
    look(request, understood)


def plainly(asks: ProviderCase, posture: Posture, resume: Resume, request: Request) -> Invocation:
    """The same run without any wish."""
    return asks.build(asks.request(timeout_s=request.timeout_s), posture, resume)
