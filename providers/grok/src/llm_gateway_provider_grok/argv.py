"""Build the command of a request. It accesses the disk only to resolve the directory and to find files named in the prompt.

Every value is in the same argument as its flag (`--flag=value`), so no value can be read as a flag. The prompt goes to standard
input, MCP servers go into a file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_gateway import RUN_FILES, Invocation, McpServer, Notice, OwnConfig, Posture, Request, Resume, error_for
from llm_gateway_provider_grok import own_home
from llm_gateway_provider_grok.options import GrokOptions
from llm_gateway_provider_grok.outside import patterns_outside
from llm_gateway_provider_grok.own_config import GrokConfig
from llm_gateway_provider_grok.places import confined, denied_secrets
from llm_gateway_provider_grok.prompt import guarded
from llm_gateway_provider_grok.rules import Rule, read_rule
from llm_gateway_provider_kit.lines import as_dict
from llm_gateway_provider_kit.own_home import HOME

EXECUTABLE = "grok"
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_MOST_TURNS = 2**32 - 1

BASE = ("--prompt-file=/dev/stdin", "--verbatim", "--output-format=streaming-json")
#: The description of this tool contains the session's folder. The tools would differ in each conversation and miss the cache.
UNCACHEABLE = "send_feedback"

#: Otherwise Grok passes its API key to the commands of its agent.
_KEYS = {"shell_environment_policy": {"exclude": ["XAI_API_KEY", "GROK_CODE_XAI_API_KEY"]}}
ENV = {
    # By default, Grok silently retries for 22 minutes and obeys any Retry-After. The caller can decide better.
    "GROK_MAX_RETRIES": "1",
    "GROK_TURN_TRANSIENT_RETRY": "0",
    "GROK_DISABLE_AUTOUPDATER": "1",
    "GROK_TELEMETRY_ENABLED": "0",
    "GROK_TELEMETRY_TRACE_UPLOAD": "0",
    # After each turn, it would send another request with the whole conversation, which no usage includes.
    "GROK_TURN_SUMMARY": "0",
    "GROK_MEMORY": "0",
    # Keep a project's hooks and servers off until its folder is trusted, and those of other programs always.
    "GROK_FOLDER_TRUST": "1",
    "GROK_CLAUDE_HOOKS_ENABLED": "0",
    "GROK_CLAUDE_MCPS_ENABLED": "0",
    "GROK_CURSOR_HOOKS_ENABLED": "0",
    "GROK_CURSOR_MCPS_ENABLED": "0",
    # Their instructions are passed on as text.
    "GROK_CLAUDE_AGENTS_ENABLED": "0",
    "GROK_CLAUDE_RULES_ENABLED": "0",
    "GROK_CURSOR_AGENTS_ENABLED": "0",
    "GROK_CURSOR_RULES_ENABLED": "0",
    # Servers and their settings from the vendor's service.
    "GROK_MANAGED_MCPS_ENABLED": "0",
    "GROK_CONFIG": json.dumps(_KEYS, separators=(",", ":")),
}

_READ_TOOLS = "--tools=read_file,grep,list_dir"
_ASK = "--permission-mode=default"  # set always: a setting of the user may allow more
#: Grok accepts the modes `plan` and `acceptEdits`, but they restrict nothing.
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: (_ASK, _READ_TOOLS),
    Posture.PLAN: (_ASK, _READ_TOOLS),
    Posture.PROMPTED: (_ASK,),
    Posture.ACCEPT_EDITS: (_ASK, "--allow=Edit(./**)"),
    Posture.BYPASS: ("--permission-mode=bypassPermissions",),
}
#: Commands that Grok allows everywhere without an approval.
_CREATING = ("Bash(touch *)", "Bash(mkdir *)")
#: The model receives the denial of a call. A call that needs an approval by a user ends the whole turn.
DENIED: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: ("Edit", "Bash", "MCPTool"),
    Posture.PLAN: ("Edit", "Bash", "MCPTool"),
    Posture.PROMPTED: ("Edit", *_CREATING),
    Posture.ACCEPT_EDITS: ("Bash", *_CREATING),
    Posture.BYPASS: (),
}
#: On these levels a caller may allow only tools that read.
_READING = (Posture.READ_ONLY, Posture.PLAN)
_READING_TOOLS = frozenset({"Read", "Grep", "MCPTool"})
PLANNING = "Plan only: look, think, and answer with a plan. Change nothing."

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,199}")
#: The text before the first `__` of a tool name is the name of its server. If that name contains `__`, Grok drops its tools.
_SERVER = re.compile(r"(?!.*__)[A-Za-z][A-Za-z0-9_-]{0,62}(?<!_)")
_GUARDED = Notice(
    code="prompt_guarded",
    message="Grok would have executed a /command or attached an @file: an invisible word joiner was added after the sign.",
)


_NO_CONFIG = OwnConfig()


def build(request: Request, posture: Posture, resume: Resume, config: OwnConfig = _NO_CONFIG) -> Invocation:
    """Return the command. Raises InvalidRequest for values that Grok would misread or silently ignore."""
    options = request.options if isinstance(request.options, GrokOptions) else GrokOptions()
    enter = f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}"
    where = os.path.realpath(request.working_dir)
    own = _own_servers(request, config)
    theirs = config.settings.of_project if isinstance(config.settings, GrokConfig) else frozenset[str]()
    home = own_home.of(posture, config, {name: entry for name, entry in own.items() if name not in theirs})
    argv = [*home.argv, EXECUTABLE, *BASE, f"--cwd={where}", enter, *LEVELS[posture]]
    if options.sandbox:
        argv.append(f"--sandbox={options.sandbox}")
    if posture is Posture.PLAN:
        argv.append(f"--rules={PLANNING}")
    argv += _limits(request)
    argv += _tools(request, posture, where, own)
    files = dict(home.run_files)
    added = "\n\n".join(filter(None, (config.instructions, options.rules)))
    entries = [*map(_entry, request.mcp_servers), *(_project_entry(name, own[name]) for name in own if name in theirs)]
    if entries or added:
        files["agent.md"] = _agent(entries, added)
        argv.append(f"--agent={RUN_FILES}/agent.md")
    text = guarded(request.prompt.text, where)
    try:
        stdin = text.encode()
    except UnicodeEncodeError as error:
        message = "the prompt contains a lone surrogate, which cannot be encoded as UTF-8: remove it"
        raise error_for("invalid_request", message) from error
    return Invocation(
        argv=tuple(argv),
        stdin=stdin,
        env=ENV,
        files=files,
        # Not a file: the path passes the id to the reader, because a failed or killed run does not print it.
        artifacts=(f"{RUN_FILES}/{resume.native_id}",),
        warnings=() if text == request.prompt.text else (_GUARDED,),
    )


def _limits(request: Request) -> Iterator[str]:
    if request.model is not None:
        _check(_MODEL.fullmatch(request.model), f"not a model name: {request.model[:80]!r}")
        yield f"--model={request.model}"
    if request.max_turns is not None:
        _check(1 <= request.max_turns <= _MOST_TURNS, f"maxTurns must be between 1 and {_MOST_TURNS}")
        yield f"--max-turns={request.max_turns}"
    if request.effort is not None:
        _check(request.effort in EFFORTS, f"effort must be one of {', '.join(EFFORTS)}")
        yield f"--reasoning-effort={request.effort}"
    if request.output_schema is not None:
        yield "--json-schema=" + json.dumps(request.output_schema, separators=(",", ":"))


def _tools(request: Request, posture: Posture, where: str, own_servers: Iterable[str]) -> Iterator[str]:
    allowed = [read_rule(name) for name in request.allowed_tools]
    for name, rule in zip(request.allowed_tools, allowed, strict=True):
        _check(
            rule.tool != "Agent",
            "remove Agent from allowedTools: sub-agents are available unless disallowedTools names them",
        )
        _check(
            posture not in _READING or rule.tool in _READING_TOOLS,
            f"allowedTools cannot widen the posture {posture.value}: {name}",
        )
        yield f"--allow={confined(rule)}"
    for name in (*map(_server, request.mcp_servers), *own_servers):
        # A run may use the servers that it is entries: headless, no user can approve each call. On the levels that only
        # read, the caller must allow the tools of a server by name.
        if posture not in _READING:
            yield f"--allow={Rule('MCPTool', f'{name}__*')}"
    denials = [read_rule(name) for name in DENIED[posture]]
    outside: set[str] = set()
    if posture is not Posture.BYPASS:
        yield from (f"--deny={rule}" for rule in dict.fromkeys(denied_secrets(allowed, where)))
    named = [rule for rule in allowed if rule.touches(Rule("Edit"))]
    edits = posture is Posture.ACCEPT_EDITS or bool(named)
    if edits and posture is not Posture.BYPASS and all(rule.pattern is None for rule in named):
        outside = set(patterns_outside(where))
        denials += [Rule("Edit", pattern) for pattern in patterns_outside(where)]
    for denied in denials:
        if denied.pattern in outside or not any(rule.touches(denied) for rule in allowed):
            yield f"--deny={denied}"
    removed = [UNCACHEABLE]
    for rule in map(read_rule, request.disallowed_tools):
        if rule.tool == "Agent":
            _check(
                "," not in str(rule),
                f"disallowedTools: name one kind of sub-agent in each rule, not {str(rule)[:80]!r}",
            )
            removed.append(str(rule))
        else:
            yield f"--deny={rule}"
    yield f"--disallowed-tools={','.join(removed)}"


def _own_servers(request: Request, config: OwnConfig) -> Mapping[str, Mapping[str, Any]]:
    """Return the servers of the user's settings that start. One of the request replaces one of the same name."""
    names = {server.name for server in config.mcp_servers} - {server.name for server in request.mcp_servers}
    known = config.settings.servers if isinstance(config.settings, GrokConfig) else {}
    return {name: entry for name, entry in known.items() if name in names and _SERVER.fullmatch(name)}


def _entry(server: McpServer) -> dict[str, Any]:
    if server.url:
        return {_server(server): {"type": "http", "url": server.url}}
    env = {"HOME": HOME, **server.env}
    return {_server(server): {"type": "stdio", "command": server.command, "args": list(server.args), "env": env}}


def _project_entry(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: entry[key] for key in ("command", "args", "env", "url", "headers") if key in entry}
    if "url" in known:
        return {name: {"type": "http", **known}}
    return {name: {"type": "stdio", **known, "env": {"HOME": HOME, **as_dict(entry.get("env"))}}}


def _agent(entries: list[dict[str, Any]], rules: str) -> bytes:
    """A definition of the main agent that says its servers and what is added to its system prompt, and nothing else.

    It is the only way to give servers to one run, and keeps `rules` out of argv, which every user of the machine can read.
    """
    head = ["name: gateway", "description: The agent of this run."]
    if entries:
        head.append(f"mcpServers: {json.dumps(entries, default=str)}")
    try:
        return "\n".join(["---", *head, "---", rules, ""]).encode()
    except UnicodeEncodeError as error:
        raise error_for(
            "invalid_request", "rules or an instruction file holds half a character, which cannot be written down"
        ) from error


def _server(server: McpServer) -> str:
    _check(_SERVER.fullmatch(server.name), f"Grok does not accept this name of an MCP server: {server.name[:80]!r}")
    return server.name


def _check(valid: object, message: str) -> None:
    if not valid:
        raise error_for("invalid_request", message)
