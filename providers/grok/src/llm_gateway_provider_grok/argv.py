"""A request as a command. Pure, but for a look at the disk: where the directory really is, what files the prompt mentions.

Every value stands in the same element as its flag (`--flag=value`), so that none can be read as a flag. The prompt goes by
standard input, MCP servers by file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from llm_gateway import RUN_FILES, Invocation, McpServer, Notice, Posture, Request, Resume, error_for
from llm_gateway_provider_grok.options import GrokOptions
from llm_gateway_provider_grok.outside import patterns_outside
from llm_gateway_provider_grok.places import confined, denied_secrets
from llm_gateway_provider_grok.prompt import guarded
from llm_gateway_provider_grok.rules import Rule, read_rule

EXECUTABLE = "grok"
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_TURNS = 2**32 - 1

BASE = ("--prompt-file=/dev/stdin", "--verbatim", "--output-format=streaming-json")
#: Its description names the session's folder: the tools would differ in each conversation, and no cache would be hit.
UNCACHEABLE = "send_feedback"

#: Grok gives the commands of its agent the key with which it pays.
_KEYS = {"shell_environment_policy": {"exclude": ["XAI_API_KEY", "GROK_CODE_XAI_API_KEY"]}}
ENV = {
    # By itself it tries for 22 minutes, without a word, and waits as long as a Retry-After says; the caller decides better.
    "GROK_MAX_RETRIES": "1",
    "GROK_TURN_TRANSIENT_RETRY": "0",
    "GROK_DISABLE_AUTOUPDATER": "1",
    "GROK_TELEMETRY_ENABLED": "0",
    "GROK_TELEMETRY_TRACE_UPLOAD": "0",
    # One more request with the whole conversation after each turn, that no usage counts.
    "GROK_TURN_SUMMARY": "0",
    "GROK_MEMORY": "0",
    # A project's hooks and servers stay off until its folder is trusted; other programs' are none of Grok's business.
    "GROK_FOLDER_TRUST": "1",
    "GROK_CLAUDE_HOOKS_ENABLED": "0",
    "GROK_CLAUDE_MCPS_ENABLED": "0",
    "GROK_CURSOR_HOOKS_ENABLED": "0",
    "GROK_CURSOR_MCPS_ENABLED": "0",
    "GROK_CONFIG": json.dumps(_KEYS, separators=(",", ":")),
}

_LOOK = "--tools=read_file,grep,list_dir"
_ASK = "--permission-mode=default"  # said always: a setting of the user's own may mean more
#: `plan` and `acceptEdits` are words that Grok takes, and holds to nothing.
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: (_ASK, _LOOK),
    Posture.PLAN: (_ASK, _LOOK),
    Posture.PROMPTED: (_ASK,),
    Posture.ACCEPT_EDITS: (_ASK, "--allow=Edit(./**)"),
    Posture.BYPASS: ("--permission-mode=bypassPermissions",),
}
#: What Grok would let pass anywhere on the disk, unasked.
_MAKING = ("Bash(touch *)", "Bash(mkdir *)")
#: A call that is denied is told to the model; one that would need a human ends the whole turn.
DENIED: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: ("Edit", "Bash", "MCPTool"),
    Posture.PLAN: ("Edit", "Bash", "MCPTool"),
    Posture.PROMPTED: ("Edit", *_MAKING),
    Posture.ACCEPT_EDITS: ("Bash", *_MAKING),
    Posture.BYPASS: (),
}
#: On these levels a caller may only allow what looks.
_LOOKING = (Posture.READ_ONLY, Posture.PLAN)
_LOOKING_TOOLS = frozenset({"Read", "Grep", "MCPTool"})
PLANNING = "Plan only: look, think, and answer with a plan. Change nothing."

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,199}")
#: What stands before the first `__` of a tool's name is the server's; another one in it, and Grok drops its tools.
_SERVER = re.compile(r"(?!.*__)[A-Za-z][A-Za-z0-9_-]{0,62}(?<!_)")
_GUARDED = Notice(
    code="prompt_guarded",
    message="Grok would have carried out a /command or attached an @file: an invisible word joiner stands behind the sign.",
)


def build(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """Say what is to be executed. Raises InvalidRequest for what Grok would misread or quietly ignore."""
    options = request.options if isinstance(request.options, GrokOptions) else GrokOptions()
    enter = f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}"
    where = os.path.realpath(request.working_dir)
    argv = [EXECUTABLE, *BASE, f"--cwd={where}", enter, *LEVELS[posture]]
    if options.sandbox:
        argv.append(f"--sandbox={options.sandbox}")
    if posture is Posture.PLAN:
        argv.append(f"--rules={PLANNING}")
    argv += _limits(request)
    argv += _tools(request, posture, where)
    files = {}
    if request.mcp_servers or options.rules:
        files["agent.md"] = _agent(request.mcp_servers, options.rules or "")
        argv.append(f"--agent={RUN_FILES}/agent.md")
    words = guarded(request.prompt.text, where)
    try:
        stdin = words.encode()
    except UnicodeEncodeError as error:
        raise error_for("invalid_request", "the prompt holds half a character, which cannot be written down") from error
    return Invocation(
        argv=tuple(argv),
        stdin=stdin,
        env=ENV,
        files=files,
        # No file: its name brings the id to the reader, whom a run that fails or is killed never tells it.
        artifacts=(f"{RUN_FILES}/{resume.native_id}",),
        warnings=() if words == request.prompt.text else (_GUARDED,),
    )


def _limits(request: Request) -> Iterator[str]:
    if request.model is not None:
        _check(_MODEL.fullmatch(request.model), f"not a model's name: {request.model[:80]!r}")
        yield f"--model={request.model}"
    if request.max_turns is not None:
        _check(1 <= request.max_turns <= _TURNS, f"maxTurns must be between 1 and {_TURNS}")
        yield f"--max-turns={request.max_turns}"
    if request.effort is not None:
        _check(request.effort in EFFORTS, f"effort must be one of {', '.join(EFFORTS)}")
        yield f"--reasoning-effort={request.effort}"
    if request.output_schema is not None:
        yield "--json-schema=" + json.dumps(request.output_schema, separators=(",", ":"))


def _tools(request: Request, posture: Posture, where: str) -> Iterator[str]:
    allowed = [read_rule(name) for name in request.allowed_tools]
    for name, rule in zip(request.allowed_tools, allowed, strict=True):
        _check(rule.tool != "Agent", "allowedTools cannot name Agent: sub-agents are there unless they are disallowed")
        _check(
            posture not in _LOOKING or rule.tool in _LOOKING_TOOLS,
            f"allowedTools cannot widen the posture {posture.value}: {name}",
        )
        yield f"--allow={confined(rule)}"
    for server in request.mcp_servers:
        # To give a server to a run is to let the run use it: headless, there is nobody to ask for each call. On the
        # levels that only look, its tools must be allowed by name.
        if posture not in _LOOKING:
            yield f"--allow={Rule('MCPTool', f'{_server(server)}__*')}"
    denials, outside = [read_rule(name) for name in DENIED[posture]], set[str]()
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
    gone = [UNCACHEABLE]
    for rule in map(read_rule, request.disallowed_tools):
        if rule.tool == "Agent":
            _check(
                "," not in str(rule),
                f"disallowedTools: name one kind of sub-agent in each rule, not {str(rule)[:80]!r}",
            )
            gone.append(str(rule))
        else:
            yield f"--deny={rule}"
    yield f"--disallowed-tools={','.join(gone)}"


def _agent(servers: Iterable[McpServer], rules: str) -> bytes:
    """A definition of the main agent that says its servers and what is added to its system prompt, and nothing else.

    It is the only way to give servers to one run, and keeps `rules` out of argv, which every user of the machine can read.
    """
    given: list[dict[str, Any]] = []
    for server in servers:
        if server.url:
            given.append({_server(server): {"type": "http", "url": server.url}})
        else:
            parts = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
            given.append({_server(server): {"type": "stdio", **parts}})
    head = ["name: gateway", "description: The agent of this run."]
    if given:
        head.append(f"mcpServers: {json.dumps(given)}")
    try:
        return "\n".join(["---", *head, "---", rules, ""]).encode()
    except UnicodeEncodeError as error:
        raise error_for("invalid_request", "rules holds half a character, which cannot be written down") from error


def _server(server: McpServer) -> str:
    _check(_SERVER.fullmatch(server.name), f"Grok cannot hold an MCP server of this name: {server.name[:80]!r}")
    return server.name


def _check(right: object, message: str) -> None:
    if not right:
        raise error_for("invalid_request", message)
