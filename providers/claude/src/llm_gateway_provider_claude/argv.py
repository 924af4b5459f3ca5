"""A request as a command. Pure.

Every value stands in the same element as its flag (`--flag=value`): several of Claude Code's flags take any number of values
and would swallow what follows, and no value can be read as a flag that way. What is secret or long goes by file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from llm_gateway import RUN_FILES, Invocation, McpServer, Notice, Posture, Request, Resume, error_for
from llm_gateway_provider_claude.caching import ClaudeSettings
from llm_gateway_provider_claude.options import ClaudeOptions
from llm_gateway_provider_claude.places import rules_of
from llm_gateway_provider_claude.prompt import INPUT_FLAGS, message

EXECUTABLE = "claude"
EFFORTS = ("low", "medium", "high", "xhigh", "max")

BASE = (
    *("-p", "--output-format", "stream-json", "--verbose", *INPUT_FLAGS),
    "--permission-prompts=none",
    # A project's hooks, helpers and servers would run unasked: headless, Claude Code trusts every directory.
    *("--strict-mcp-config", "--setting-sources", ""),
)
ENV = {
    # By itself it tries ten times, which takes minutes; the caller decides better.
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}

#: Without `failIfUnavailable` a missing sandbox is a warning and everything runs outside of it.
_SANDBOX = {
    "sandbox": {
        "enabled": True,
        "failIfUnavailable": True,
        "autoAllowBashIfSandboxed": True,
        "allowUnsandboxedCommands": False,
    }
}
#: Else a remote judge may allow edits and shell while planning.
_PLAIN_PLAN = {"useAutoModeDuringPlan": False}


def _settings(values: object) -> str:
    return "--settings=" + json.dumps(values, separators=(",", ":"))


LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: ("--restricted", "--tools=Read,Glob,Grep", "--permission-mode=dontAsk"),
    Posture.PLAN: ("--permission-mode=plan", _settings(_PLAIN_PLAN)),
    Posture.PROMPTED: ("--permission-mode=default",),
    Posture.ACCEPT_EDITS: ("--permission-mode=acceptEdits",),
    Posture.WORKSPACE_WRITE: ("--permission-mode=acceptEdits", _settings(_SANDBOX)),
    Posture.BYPASS: ("--permission-mode=bypassPermissions",),
}
#: Claude Code lets an allowed tool pass in every mode; on these levels a caller may only allow what looks.
_LOOKING = {
    Posture.READ_ONLY: frozenset({"Read", "Glob", "Grep"}),
    Posture.PLAN: frozenset({"Read", "Glob", "Grep", "WebFetch", "WebSearch"}),
}

_USUAL = ClaudeSettings()
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,199}")
_TOOL = re.compile(r"([A-Za-z][A-Za-z0-9_*-]{0,199})(\([^()\x00-\x1f\x7f]{1,1000}\))?")
_SERVER = re.compile(r"[A-Za-z0-9_-]{1,64}")


def build(
    request: Request,
    posture: Posture,
    resume: Resume,
    *,
    settings: ClaudeSettings = _USUAL,
    root: bool | None = None,
) -> Invocation:
    """Say what is to be executed. Raises InvalidRequest for what Claude Code would misread or quietly ignore."""
    options = request.options if isinstance(request.options, ClaudeOptions) else ClaudeOptions()
    root = os.geteuid() == 0 if root is None else root
    env, files, notices = dict(ENV), {}, []
    argv = [EXECUTABLE, *BASE, f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}", *LEVELS[posture]]
    if request.idle_timeout_s is not None:
        argv.append("--include-partial-messages")  # else a long answer is silent until its end
    argv += _limits(request, options)
    argv += _tools(request, posture)

    if request.mcp_servers:
        files["mcp.json"] = _mcp_config(request.mcp_servers)
        argv.append(f"--mcp-config={RUN_FILES}/mcp.json")
    if options.append_system_prompt:
        files["system.md"] = options.append_system_prompt.encode()
        argv.append(f"--append-system-prompt-file={RUN_FILES}/system.md")
        if not resume.fresh:  # else the first turn's words are used again, and these are silently dropped
            argv.append("--system-prompt-snapshot=off")
    if posture is Posture.BYPASS and root:
        env["IS_SANDBOX"] = "1"  # bypass is refused to root without it

    # Said on every turn: the service refuses a mark that lives longer than one before it, and marks stay in a conversation.
    env["CLAUDE_CODE_PROMPT_CACHE_TTL"] = options.cache_ttl or settings.ttl
    ttl = None
    if request.prompt.cache_control and request.prompt.prefix:
        if resume.fresh and settings.emit_cache_control:
            ttl = env["CLAUDE_CODE_PROMPT_CACHE_TTL"]
        else:
            why = _MARKED_ONCE if settings.emit_cache_control else _NO_MARKS
            notices.append(Notice(code="cache_control_unsupported", message=why))
    stdin = message(request.prompt, mark_ttl=ttl)
    return Invocation(argv=tuple(argv), stdin=stdin, env=env, files=files, warnings=tuple(notices))


_MARKED_ONCE = (
    "Claude Code can hold one cache mark per conversation, on its first message; this turn was sent without one "
    "(earlier turns are read from the cache all the same)."
)
_NO_MARKS = "[providers.claude] emit_cache_control is off: cacheControl was left out"


def _limits(request: Request, options: ClaudeOptions) -> Iterator[str]:
    if request.model is not None:
        yield f"--model={_model(request.model)}"
    if options.fallback_model:
        yield "--fallback-model=" + ",".join(_model(name.strip()) for name in options.fallback_model.split(","))
    if request.max_turns is not None:
        _check(request.max_turns >= 1, "maxTurns must be at least 1")
        yield f"--max-turns={request.max_turns}"
    if request.max_budget_usd is not None:
        _check(request.max_budget_usd >= 0.000001, "maxBudgetUsd must be greater than 0")
        _check(request.max_budget_usd <= 1_000_000, "maxBudgetUsd must be at most 1000000")
        yield f"--max-budget-usd={request.max_budget_usd:.6f}".rstrip("0").rstrip(".")
    if request.effort is not None:
        _check(request.effort in EFFORTS, f"effort must be one of {', '.join(EFFORTS)}")
        yield f"--effort={request.effort}"
    if request.output_schema is not None:
        yield "--json-schema=" + json.dumps(request.output_schema, separators=(",", ":"))
    for path in request.add_dirs:
        _check(os.path.isabs(path) and "\0" not in path, "addDirs must be absolute paths")
        yield f"--add-dir={path}"


def _tools(request: Request, posture: Posture) -> Iterator[str]:
    looking = _LOOKING.get(posture)
    for name in request.allowed_tools:
        bare = _tool(name)
        _check(
            looking is None or bare in looking or bare.startswith("mcp__"),
            f"allowedTools cannot widen the posture {posture.value}: {name}",
        )
        for rule in rules_of(name, request):
            yield f"--allowedTools={rule}"
    for server in request.mcp_servers:
        # To give a server to a run is to let the run use it: headless, there is nobody to ask for each call. On the
        # levels that only look, its tools must be allowed by name.
        if looking is None:
            yield f"--allowedTools=mcp__{_server(server)}"
    for name in request.disallowed_tools:
        _tool(name)
        yield f"--disallowedTools={name}"


def _mcp_config(servers: Iterable[McpServer]) -> bytes:
    config: dict[str, Any] = {}
    for server in servers:
        if server.url:
            config[_server(server)] = {"type": "http", "url": server.url}
        else:
            parts = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
            config[_server(server)] = {"type": "stdio", **parts}
    return json.dumps({"mcpServers": config}).encode()


def _model(name: str) -> str:
    _check(_MODEL.fullmatch(name), f"not a model's name: {name[:80]!r}")
    return name


def _tool(name: str) -> str:
    match = _TOOL.fullmatch(name)
    if match is None:
        raise error_for("invalid_request", f"not a tool of Claude Code, such as Read or Bash(git *): {name[:80]!r}")
    return match[1]


def _server(server: McpServer) -> str:
    _check(_SERVER.fullmatch(server.name), f"Claude Code cannot hold an MCP server of this name: {server.name[:80]!r}")
    return server.name


def _check(right: object, message: str) -> None:
    if not right:
        raise error_for("invalid_request", message)
