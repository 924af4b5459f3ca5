"""What a run may do: Gemini CLI's approval mode and the rules of its policy file, for each level.

Below `yolo` two tools must be denied always: headless, a model may switch itself into plan mode, and its plan, approved by
nobody, ends in `yolo`. A rules file of ours also takes the place of the user's own, which could widen a level.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from llm_gateway import Posture, Request
from llm_gateway_provider_gemini.checking import check
from llm_gateway_provider_gemini.gemini_cli.servers import server_name

MODE_OF = {
    Posture.READ_ONLY: "default",
    Posture.PLAN: "plan",
    Posture.PROMPTED: "default",
    Posture.ACCEPT_EDITS: "auto_edit",
    Posture.BYPASS: "yolo",
}
_WAYS_UP = ["enter_plan_mode", "exit_plan_mode"]
_LOOKING = ["glob", "grep_search", "list_directory", "read_file", "read_many_files", "update_topic"]
#: On these levels a caller may only allow what looks, and tools of the servers that were given.
_WIDENS = {
    Posture.READ_ONLY: frozenset(_LOOKING),
    Posture.PLAN: frozenset([*_LOOKING, "google_web_search", "web_fetch"]),
}
#: Rules with a higher number win; these stand above all that Gemini CLI brings itself.
_FIRST, _ALLOWED, _REST = 999, 950, 900

_TOOL = re.compile(r"([a-z][A-Za-z0-9_-]{0,199})(?:\(([^()\x00-\x1f\x7f\ud800-\udfff]{1,1000})\))?")


def policy(request: Request, posture: Posture) -> bytes:
    """The policy file. Raises InvalidRequest for a tool that no rule could name."""
    return "\n\n".join(_rules(request, posture)).encode() + b"\n"


def _rules(request: Request, posture: Posture) -> Iterator[str]:
    widens = _WIDENS.get(posture)
    if posture is not Posture.BYPASS:
        yield _rule("deny", _FIRST, toolName=_WAYS_UP)
    for name in request.disallowed_tools:
        yield _rule("deny", _FIRST, **_named(name, request))
    for name in request.allowed_tools:
        named = _named(name, request)
        check(
            widens is None or "mcpName" in named or named["toolName"] in widens,
            f"allowedTools cannot widen the posture {posture.value}: {name}",
        )
        whole = {"allowRedirection": True} if named == {"toolName": "run_shell_command"} else {}
        yield _rule("allow", _ALLOWED, **named, **whole)
    if widens is None:  # to give a server to a run is to let the run use it: headless, nobody could be asked
        for server in request.mcp_servers:
            yield _rule("allow", _ALLOWED, mcpName=server_name(server), toolName="*")
    if posture is Posture.READ_ONLY:
        yield _rule("allow", _ALLOWED, toolName=_LOOKING)
        yield _rule("deny", _REST, toolName="*")


def _named(name: str, request: Request) -> dict[str, object]:
    match = _TOOL.fullmatch(name)
    check(match, f"not a tool of Gemini CLI, such as write_file or run_shell_command(git): {name[:80]!r}")
    assert match
    tool, prefix = match[1], match[2]
    if tool.startswith("mcp_"):
        check(not prefix, f"an MCP tool cannot be narrowed: {name[:80]!r}")
        for server in request.mcp_servers:
            for said in {server.name, server_name(server)}:
                if tool == f"mcp_{said}":
                    return {"mcpName": server_name(server), "toolName": "*"}
                if tool.startswith(f"mcp_{said}_"):
                    return {"mcpName": server_name(server), "toolName": tool.removeprefix(f"mcp_{said}_")}
        check(False, f"{name[:80]} is no tool of an MCP server that was given to this run")
    check(not prefix or tool == "run_shell_command", f"only run_shell_command can be narrowed: {name[:80]!r}")
    return {"toolName": tool, "commandPrefix": prefix} if prefix else {"toolName": tool}


def _rule(decision: str, priority: int, **facts: object) -> str:
    # What JSON writes for these values is TOML too, as long as no character is escaped by halves.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    return "\n".join(["[[rule]]", *lines, f'decision = "{decision}"', f"priority = {priority}"])
