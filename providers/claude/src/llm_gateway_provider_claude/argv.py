"""Build the command of a request. Pure.

Every value is in the same argument as its flag (`--flag=value`). So no value can be read as a flag, and flags that take any
number of values cannot take the next argument. Secret and long values go into files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_gateway import RUN_FILES, Invocation, McpServer, Notice, OwnConfig, Posture, Request, Resume, error_for
from llm_gateway_provider_claude.caching import ClaudeSettings
from llm_gateway_provider_claude.options import ClaudeOptions
from llm_gateway_provider_claude.own_config import ClaudeConfig
from llm_gateway_provider_claude.places import rules_of
from llm_gateway_provider_claude.prompt import INPUT_FLAGS, message

EXECUTABLE = "claude"
EFFORTS = ("low", "medium", "high", "xhigh", "max")

BASE = (
    *("-p", "--output-format", "stream-json", "--verbose", *INPUT_FLAGS),
    "--permission-prompts=none",
    # Headless, Claude Code trusts every directory and would run the project's hooks, helpers and servers.
    *("--strict-mcp-config", "--setting-sources", ""),
)
ENV = {
    # The default is ten retries, which take minutes. The caller can decide better whether to retry.
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}

#: Without `failIfUnavailable`, a missing sandbox is only a warning, and commands run without a sandbox.
_SANDBOX = {
    "sandbox": {
        "enabled": True,
        "failIfUnavailable": True,
        "autoAllowBashIfSandboxed": True,
        "allowUnsandboxedCommands": False,
    }
}
#: Otherwise a remote classifier may allow edits and shell commands in plan mode.
_PLAIN_PLAN = {"useAutoModeDuringPlan": False}


#: What a level needs, beside its flags. It wins over the user's own settings.
LEVEL_SETTINGS: Mapping[Posture, Mapping[str, Any]] = {Posture.PLAN: _PLAIN_PLAN, Posture.WORKSPACE_WRITE: _SANDBOX}
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: ("--restricted", "--tools=Read,Glob,Grep", "--permission-mode=dontAsk"),
    Posture.PLAN: ("--permission-mode=plan",),
    Posture.PROMPTED: ("--permission-mode=default",),
    Posture.ACCEPT_EDITS: ("--permission-mode=acceptEdits",),
    Posture.WORKSPACE_WRITE: ("--permission-mode=acceptEdits",),
    Posture.BYPASS: ("--permission-mode=bypassPermissions",),
}
#: Claude Code permits an allowed tool in every mode, so on these levels a caller may allow only tools that read.
_READING = {
    Posture.READ_ONLY: frozenset({"Read", "Glob", "Grep"}),
    Posture.PLAN: frozenset({"Read", "Glob", "Grep", "WebFetch", "WebSearch"}),
}

_DEFAULT = ClaudeSettings()
_NO_CONFIG = OwnConfig()
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,199}")
_TOOL = re.compile(r"([A-Za-z][A-Za-z0-9_*-]{0,199})(\([^()\x00-\x1f\x7f]{1,1000}\))?")
_SERVER = re.compile(r"[A-Za-z0-9_-]{1,64}")


def build(
    request: Request,
    posture: Posture,
    resume: Resume,
    *,
    settings: ClaudeSettings = _DEFAULT,
    config: OwnConfig = _NO_CONFIG,
    root: bool | None = None,
) -> Invocation:
    """Return the command. Raises InvalidRequest for values that Claude Code would misread or silently ignore."""
    options = request.options if isinstance(request.options, ClaudeOptions) else ClaudeOptions()
    root = os.geteuid() == 0 if root is None else root
    own = config.settings if isinstance(config.settings, ClaudeConfig) else ClaudeConfig()
    env, files, notices = dict(ENV), {}, []
    argv = [EXECUTABLE, *BASE, f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}", *LEVELS[posture]]
    chosen = {**own.settings, **LEVEL_SETTINGS.get(posture, {})}
    if chosen:
        files["settings.json"] = json.dumps(chosen).encode()
        argv.append(f"--settings={RUN_FILES}/settings.json")
    if request.idle_timeout_s is not None:
        argv.append("--include-partial-messages")  # otherwise a long answer prints nothing until its end
    argv += _limits(request, options)
    argv += _tools(request, posture, own.servers)

    if request.mcp_servers or own.servers:
        files["mcp.json"] = _mcp_config(request.mcp_servers, own.servers)
        argv.append(f"--mcp-config={RUN_FILES}/mcp.json")
    appended = "\n\n".join(filter(None, (config.instructions, options.append_system_prompt)))
    if appended:
        files["system.md"] = appended.encode("utf-8", "surrogatepass")
        argv.append(f"--append-system-prompt-file={RUN_FILES}/system.md")
        if not resume.fresh:  # otherwise the text of the first turn is used again, and this one is silently dropped
            argv.append("--system-prompt-snapshot=off")
    if posture is Posture.BYPASS and root:
        env["IS_SANDBOX"] = "1"  # without it, Claude Code refuses bypass for root

    # Set on every turn: marks stay in a conversation, and the service refuses a mark with a longer TTL than an earlier one.
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
    "(earlier turns are still read from the cache)."
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


def _tools(request: Request, posture: Posture, own_servers: Iterable[str]) -> Iterator[str]:
    reading = _READING.get(posture)
    for name in request.allowed_tools:
        bare = _tool(name)
        _check(
            reading is None or bare in reading or bare.startswith("mcp__"),
            f"allowedTools cannot widen the posture {posture.value}: {name}",
        )
        for rule in rules_of(name, request):
            yield f"--allowedTools={rule}"
    for server in request.mcp_servers:
        # A run may use the servers that it is given: headless, no user can approve each call. On the levels that only
        # read, the caller must allow the tools of a server by name.
        if reading is None:
            yield f"--allowedTools=mcp__{_server(server)}"
    if reading is None:  # the operator lets the user's own servers start
        yield from (f"--allowedTools=mcp__{name}" for name in own_servers if _SERVER.fullmatch(name))
    for name in request.disallowed_tools:
        _tool(name)
        yield f"--disallowedTools={name}"


def _mcp_config(servers: Iterable[McpServer], own: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the servers of the run. A server of the request replaces one of the user's own of the same name."""
    config: dict[str, Any] = dict(own)
    for server in servers:
        if server.url:
            config[_server(server)] = {"type": "http", "url": server.url}
        else:
            parts = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
            config[_server(server)] = {"type": "stdio", **parts}
    return json.dumps({"mcpServers": config}).encode()


def _model(name: str) -> str:
    _check(_MODEL.fullmatch(name), f"not a model name: {name[:80]!r}")
    return name


def _tool(name: str) -> str:
    match = _TOOL.fullmatch(name)
    if match is None:
        raise error_for("invalid_request", f"not a tool of Claude Code, such as Read or Bash(git *): {name[:80]!r}")
    return match[1]


def _server(server: McpServer) -> str:
    _check(
        _SERVER.fullmatch(server.name), f"Claude Code does not accept this name of an MCP server: {server.name[:80]!r}"
    )
    return server.name


def _check(valid: object, message: str) -> None:
    if not valid:
        raise error_for("invalid_request", message)
