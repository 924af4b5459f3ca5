"""The permissions of a run: Gemini CLI's approval mode and the rules of its policy file, for each level.

Below `yolo`, two tools must always be denied: headless, a model may switch to plan mode, and the end of plan mode switches to
`yolo` without an approval. The policy file also replaces the user's rules, which could extend a level.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from llm_gateway import Posture, Request
from llm_gateway_provider_gemini.gemini_cli.servers import server_name
from llm_gateway_provider_kit.arguments import require

MODE_OF = {
    Posture.READ_ONLY: "default",
    Posture.PLAN: "plan",
    Posture.PROMPTED: "default",
    Posture.ACCEPT_EDITS: "auto_edit",
    Posture.BYPASS: "yolo",
}
_MODE_SWITCHES = ["enter_plan_mode", "exit_plan_mode"]
_READING = ["glob", "grep_search", "list_directory", "read_file", "read_many_files", "update_topic"]
#: On these levels a caller may allow only tools that read, and tools of the given MCP servers.
_ALLOWABLE = {
    Posture.READ_ONLY: frozenset(_READING),
    Posture.PLAN: frozenset([*_READING, "google_web_search", "web_fetch"]),
}
#: The rule with the highest priority applies. These are above all built-in rules of Gemini CLI.
_FIRST, _ALLOWED, _REST = 999, 950, 900

_TOOL = re.compile(r"([a-z][A-Za-z0-9_-]{0,199})(?:\(([^()\x00-\x1f\x7f\ud800-\udfff]{1,1000})\))?")


def policy(request: Request, posture: Posture, own_servers: Sequence[str] = ()) -> bytes:
    """Return the policy file. Raises InvalidRequest for a tool that no rule can name.

    :param own_servers: names of the MCP servers of the user's settings that start.
    """
    return "\n\n".join(_rules(request, posture, own_servers)).encode() + b"\n"


def _rules(request: Request, posture: Posture, own_servers: Sequence[str]) -> Iterator[str]:
    allowable = _ALLOWABLE.get(posture)
    if posture is not Posture.BYPASS:
        yield _rule("deny", _FIRST, toolName=_MODE_SWITCHES)
    for name in request.disallowed_tools:
        yield _rule("deny", _FIRST, **_named(name, request))
    for name in request.allowed_tools:
        named = _named(name, request)
        require(
            allowable is None or "mcpName" in named or named["toolName"] in allowable,
            f"allowedTools cannot widen the posture {posture.value}: {name}",
        )
        if named == {"toolName": "run_shell_command"}:
            named["allowRedirection"] = True
        yield _rule("allow", _ALLOWED, **named)
    if allowable is None:  # a run may use its servers: headless, no user can approve each call
        for name in (*map(server_name, request.mcp_servers), *own_servers):
            yield _rule("allow", _ALLOWED, mcpName=name, toolName="*")
    if posture is Posture.READ_ONLY:
        yield _rule("allow", _ALLOWED, toolName=_READING)
        yield _rule("deny", _REST, toolName="*")


def _named(name: str, request: Request) -> dict[str, object]:
    match = _TOOL.fullmatch(name)
    require(match, f"not a tool of Gemini CLI, such as write_file or run_shell_command(git): {name[:80]!r}")
    assert match
    tool, prefix = match[1], match[2]
    if tool.startswith("mcp_"):
        require(not prefix, f"an MCP tool cannot have a pattern: {name[:80]!r}")
        for server in request.mcp_servers:
            for spelling in {server.name, server_name(server)}:
                if tool == f"mcp_{spelling}":
                    return {"mcpName": server_name(server), "toolName": "*"}
                if tool.startswith(f"mcp_{spelling}_"):
                    return {"mcpName": server_name(server), "toolName": tool.removeprefix(f"mcp_{spelling}_")}
        require(
            False,
            f"{name[:80]} is not a tool of an MCP server of this request: add the server to mcpServers, or remove the tool",
        )
    require(not prefix or tool == "run_shell_command", f"only run_shell_command can have a pattern: {name[:80]!r}")
    return {"toolName": tool, "commandPrefix": prefix} if prefix else {"toolName": tool}


def _rule(decision: str, priority: int, **facts: object) -> str:
    # The JSON of these values is also valid TOML, as long as it contains no surrogate escapes.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    return "\n".join(["[[rule]]", *lines, f'decision = "{decision}"', f"priority = {priority}"])
