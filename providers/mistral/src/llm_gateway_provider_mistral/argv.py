"""Build the command of a request. Pure.

Each conversation begins with the agent `ask`, which has the fewest rights, because a conversation always keeps its first agent.
The environment and flags of a run, which the conversation does not keep, give it more rights. Where `ask` needs an approval, Vibe
denies the call in a run without a terminal.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_gateway import RUN_FILES, Invocation, McpServer, Notice, OwnConfig, Posture, Request, Resume, error_for
from llm_gateway_provider_mistral import own_home, prompt
from llm_gateway_provider_mistral.options import MistralOptions
from llm_gateway_provider_mistral.own_config import VibeConfig

EXECUTABLE = "vibe"

OUT = f"{RUN_FILES}/out"
EXPORT, META, JOURNAL = f"{OUT}/export.json", f"{OUT}/session/meta.json", f"{OUT}/session/journal/*"

BASE = ("--output=streaming", f"--output-dir={OUT}", "--agent=ask")
#: These override the user's configuration, which may allow more or start other work.
ENV = {
    "VIBE_BYPASS_TOOL_PERMISSIONS": "false",
    "VIBE_MANAGED_SHELL_TOOLS_ENABLED": "false",
    # The usage of the run does not include tokens of sub-agents.
    "VIBE_ENABLE_SUBAGENTS": "false",
    "VIBE_ENABLE_CONNECTORS": "false",
    # Otherwise a `/name` anywhere in a prompt inserts the text of a skill.
    "VIBE_DISABLED_SKILLS": '["*"]',
    # The default is to retry for five minutes. The caller can decide better whether to retry.
    "VIBE_API_RETRY_MAX_ELAPSED_TIME": "10",
    # Without it, no conversation can be resumed.
    "VIBE_SESSION_LOGGING__ENABLED": "true",
    "VIBE_SESSION_LOGGING__GENERATE_TITLES": "false",
    "VIBE_ENABLE_TELEMETRY": "false",
    "VIBE_ENABLE_OTEL": "false",
    "VIBE_EXPERIMENTS__ENABLE": "false",
    "VIBE_ENABLE_UPDATE_CHECKS": "false",
    "VIBE_ENABLE_AUTO_UPDATE": "false",
    "VIBE_SHOW_GREETING": "false",
}

#: The only tools on the lowest level. All others, also those of later versions, are refused.
READING = ("read_file", "grep", "todo")
#: Vibe silently accepts unknown names, so a misspelt name would forbid nothing.
TOOLS = (*READING, "bash", "edit", "skill", "web_fetch", "web_search", "write_file")
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: (),
    Posture.PROMPTED: (),
    Posture.ACCEPT_EDITS: (),
    Posture.BYPASS: ("--auto-approve",),
}
_EDITING = {Posture.READ_ONLY: "never", Posture.PROMPTED: "ask", Posture.ACCEPT_EDITS: "always"}
#: Vibe needs an approval to open these files, except in a directory that is allowed by name.
_SECRETS = ["**/.env", "**/.env.*"]

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")
_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")


_NO_CONFIG = OwnConfig()


def build(request: Request, posture: Posture, resume: Resume, config: OwnConfig = _NO_CONFIG) -> Invocation:
    """Return the command. Raises InvalidRequest for values that Vibe would misread or silently ignore."""
    options = request.options if isinstance(request.options, MistralOptions) else MistralOptions()
    prompt.check(request.prompt.text, request.working_dir)
    own = _own_servers(request, config)
    servers = [*(_server(server) for server in request.mcp_servers), *(str(entry["name"]) for entry in own)]
    home = own_home.of(config)
    if resume.fresh:  # later turns repeat the option, but may have other servers
        for name in options.mcp_tools:
            _check(_of_server(name, servers), f"mcpTools: none of the given MCP servers can have a tool {name!r}")
    approved = [name for name in options.mcp_tools if _of_server(name, servers)]

    argv = [*home.argv, EXECUTABLE, *BASE, *LEVELS[posture], *_limits(request)]
    argv += _filters(request, approved, posture, servers)
    if not resume.fresh:
        argv.append(f"--resume={resume.native_id}")
    argv.append("-p")  # last, because Vibe would read a following argument as the prompt, which goes to standard input
    env = {
        **ENV,
        "VIBE_TOOLS": json.dumps(_permissions(request, approved, posture)),
        "VIBE_ENABLE_MCP": "true" if servers else "false",
        "VIBE_OUTSIDE_WORKDIR": "ask" if posture is Posture.BYPASS else "deny",
    }
    if servers:
        env["VIBE_MCP_SERVERS"] = json.dumps([*map(_mcp_config, request.mcp_servers), *own], default=str)
    if request.model is not None:
        _check(_MODEL.fullmatch(request.model), f"not an alias of a model: {request.model[:80]!r}")
        env["VIBE_ACTIVE_MODEL"] = request.model
    return Invocation(
        argv=tuple(argv),
        stdin=prompt.as_bytes(request.prompt.text),
        env=env,
        files=home.run_files,
        artifacts=(EXPORT, META, JOURNAL),
        warnings=tuple(_warnings(approved, posture, servers)),
    )


def _limits(request: Request) -> Iterator[str]:
    if request.max_turns is not None:
        _check(request.max_turns >= 1, "maxTurns must be at least 1")
        yield f"--max-turns={request.max_turns}"
    if request.max_budget_usd is not None:
        _check(0.000001 <= request.max_budget_usd <= 1_000_000, "maxBudgetUsd must be greater than 0, at most 1000000")
        yield f"--max-price={request.max_budget_usd:.6f}".rstrip("0").rstrip(".")


def _filters(request: Request, approved: list[str], posture: Posture, servers: list[str]) -> Iterator[str]:
    allowed = [_tool(name, servers) for name in request.allowed_tools]
    if posture is Posture.READ_ONLY:
        for name in allowed:
            _check(
                name in READING or _of_server(name, servers),
                f"allowedTools cannot widen the posture {posture.value}: {name}",
            )
        allowed = allowed or list(READING)
    if allowed:
        for name in dict.fromkeys([*allowed, *approved]):
            yield f"--enabled-tools={name}"
    for name in request.disallowed_tools:
        yield f"--disabled-tools={_tool(name, servers)}"


def _permissions(request: Request, approved: list[str], posture: Posture) -> Mapping[str, Any]:
    tools: dict[str, dict[str, Any]] = {name: {"permission": "always"} for name in approved}
    if posture is Posture.BYPASS:
        return tools
    editing = _EDITING[posture]
    tools |= {"bash": {"permission": "ask"}, "write_file": {"permission": editing}, "edit": {"permission": editing}}
    if request.add_dirs:
        # Not --add-dir: it also trusts the files of the directory, such as hooks.
        for path in request.add_dirs:
            _check(os.path.isabs(path) and "\0" not in path, "addDirs must be absolute paths")
        reached = [f"vibe-path:directory_recursive:{os.path.realpath(path)}" for path in request.add_dirs]
        file_tools = ["read_file"]
        if posture is Posture.ACCEPT_EDITS:
            file_tools += ["write_file", "edit"]
        for name in file_tools:
            tools[name] = {**tools.get(name, {}), "allowlist": reached, "denylist": _SECRETS}
    return tools


def _warnings(approved: list[str], posture: Posture, servers: list[str]) -> Iterator[Notice]:
    idle = [name for name in servers if not any(_of_server(tool, [name]) for tool in approved)]
    if idle and posture is not Posture.BYPASS:
        message = (
            f"Mistral Vibe needs an approval for each tool of an MCP server, and an unattended run cannot get one: of "
            f"{', '.join(idle)} only tools that mcpTools names can be used"
        )
        yield Notice(code="mcp_tools_not_named", message=message, details={"servers": idle})


def _own_servers(request: Request, config: OwnConfig) -> list[Mapping[str, Any]]:
    """Return the servers of the user's settings that start. One of the request replaces one of the same name."""
    names = {server.name for server in config.mcp_servers} - {server.name for server in request.mcp_servers}
    known = config.settings.servers if isinstance(config.settings, VibeConfig) else ()
    return [entry for entry in known if entry.get("name") in names and _SERVER.fullmatch(str(entry["name"]))]


def _mcp_config(server: McpServer) -> dict[str, Any]:
    if server.url:
        return {"name": server.name, "transport": "streamable-http", "url": server.url}
    parts = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
    return {"name": server.name, "transport": "stdio", **parts}


def _tool(name: str, servers: Iterable[str]) -> str:
    _check(
        name in TOOLS or _of_server(name, servers),
        f"not a tool of Mistral Vibe: {name[:80]!r}. Use {', '.join(TOOLS)}, or server_tool of a given MCP server",
    )
    return name


def _of_server(name: str, servers: Iterable[str]) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_.*-]+", name) is not None and any(name.startswith(f"{s}_") for s in servers)


def _server(server: McpServer) -> str:
    _check(
        _SERVER.fullmatch(server.name), f"Mistral Vibe does not accept this name of an MCP server: {server.name[:80]!r}"
    )
    return server.name


def _check(valid: object, message: str) -> None:
    if not valid:
        raise error_for("invalid_request", message)
