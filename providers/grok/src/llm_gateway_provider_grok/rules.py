"""Grok's rules for tools, such as `Bash(git *)`. Grok ignores a rule with an unknown tool, so such a rule is refused here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_gateway import error_for

_SAME = {"Write": "Edit", "Glob": "Grep"}
TOOLS = ("Bash", "Read", "Edit", "Write", "Grep", "Glob", "MCPTool", "WebFetch", "WebSearch", "Agent")
_RULE = re.compile(rf"({'|'.join(TOOLS)})(?:\(([^()\x00-\x1f\x7f]{{1,1000}})\))?")
#: The notation of other agents for the tools of a server, or for one of them.
_MCP = re.compile(r"mcp__([A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*)(?:__([A-Za-z0-9_*-]+))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A tool and a pattern of its calls. Without a pattern, the rule applies to all calls."""

    tool: str
    pattern: str | None = None

    def __str__(self) -> str:
        return f"{self.tool}({self.pattern})" if self.pattern else self.tool

    def touches(self, other: Rule) -> bool:
        """Return whether both rules may apply to the same call."""
        if _SAME.get(self.tool, self.tool) != _SAME.get(other.tool, other.tool):
            return False
        if self.pattern is None or other.pattern is None:
            return True
        return self.pattern.startswith("*") or self.pattern.split()[:1] == other.pattern.split()[:1]


def read_rule(text: str) -> Rule:
    """Parse a rule. Raises InvalidRequest for a rule that Grok would ignore."""
    rule = _RULE.fullmatch(text)
    if rule:
        return Rule(rule[1], rule[2])
    mcp_tool = _MCP.fullmatch(text)
    if mcp_tool:
        return Rule("MCPTool", f"{mcp_tool[1]}__{mcp_tool[2] or '*'}")
    raise error_for(
        "invalid_request",
        f"not a tool of Grok's rules: {text[:80]!r}",
        recovery=f"Name one of {', '.join(TOOLS)}, with a pattern if you like: Bash(git *), Edit(src/**), MCPTool(search__*).",
    )
