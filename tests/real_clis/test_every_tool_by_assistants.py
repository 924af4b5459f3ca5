"""Every tool of the gateway, called by assistants that are not ours: the real Claude Code and the real Gemini CLI, in one turn each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.conformance.calls import REFUSED, VENDORS, WAVES
from tests.conformance.clients import Answer
from tests.real_clis.test_assistants import says
from tests.real_clis.test_connect import gateway

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

#: What a later call needs is looked for in what the earlier ones gave.
NEEDED = {
    "echo_request_async": {"job": {"id": "~job-[0-9a-z]+"}},
    "session_create": {"session": {"gatewaySessionId": "~gw-[0-9a-z-]+"}},
    "review": {"reviewId": "~rv-[0-9a-z]+"},
}
TOOLS = tuple(tool for wave in WAVES for tool in wave)


def prepare(client: RealAgent) -> None:
    """A gateway home where only echo is installed, and the tools of the others are listed."""
    home = client.folder / "gateway"
    home.mkdir(mode=0o700)
    absent = json.dumps(str(client.folder / "absent"))
    programs = "".join(f"[providers.{name}]\nexecutable = {absent}\n" for name in VENDORS)
    (home / "config.toml").write_text(f"[surface]\nshow_absent = true\n{programs}")


def calls(prefix: str) -> str:
    """The words by which a model calls them all."""
    known = {tool: Answer(failed=False, words="", data=data) for tool, data in NEEDED.items()}
    each = ((tool, given(known)) for wave in WAVES for tool, given in wave.items())
    return "\n".join(f"TOOL:{prefix}{tool} {json.dumps(arguments)}" for tool, arguments in each)


def events(said: str) -> list[dict[str, Any]]:
    """What a client says line by line."""
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def assert_all_answered(failed: dict[str, bool], given: dict[str, str]) -> None:
    assert failed == {tool: tool in REFUSED for tool in TOOLS}, given
    assert all(code in given[tool] for tool, code in REFUSED.items())
    assert "echo: " in given["llm_job_result"]


def test_claude_code_calls_every_tool(claude: RealAgent) -> None:
    prepare(claude)
    gateway(claude, "connect", "claude")
    prefix = "mcp__llm-gateway__"
    select = {"query": "select:" + ",".join(prefix + tool for tool in TOOLS), "max_results": len(TOOLS)}
    words = f"TOOL:ToolSearch {json.dumps(select)}\n{calls(prefix)}"
    argv = ("-p", "--allowedTools", "mcp__llm-gateway", "--output-format", "stream-json", "--verbose")
    names, failed, given = {}, {}, {}
    for event in events(says(claude, words, *argv)):
        for part in event.get("message", {}).get("content", []):
            if part["type"] == "tool_use":
                names[part["id"]] = part["name"].removeprefix(prefix)
            elif part["type"] == "tool_result" and (tool := names[part["tool_use_id"]]) != "ToolSearch":
                failed[tool], given[tool] = bool(part.get("is_error")), json.dumps(part["content"])
    assert_all_answered(failed, given)


def test_gemini_cli_calls_every_tool(gemini: RealAgent) -> None:
    prepare(gemini)
    settings = gemini.folder / "home/.gemini/settings.json"
    settings.parent.mkdir()
    settings.write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    gateway(gemini, "connect", "gemini", "--trust")
    prefix = "mcp_llm-gateway_"
    names, failed, given = {}, {}, {}
    for event in events(says(gemini, calls(prefix), "--skip-trust", "--output-format", "stream-json", "-p", "")):
        if event["type"] == "tool_use":
            names[event["tool_id"]] = event["tool_name"].removeprefix(prefix)
        elif event["type"] == "tool_result":
            tool = names[event["tool_id"]]
            failed[tool], given[tool] = event["status"] == "error", json.dumps(event)
    assert_all_answered(failed, given)
