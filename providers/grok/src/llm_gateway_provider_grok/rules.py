"""Grok's rules for tools, such as `Bash(git *)`. Grok passes over a rule whose tool it does not know, so it is refused here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_gateway import error_for

_SAME = {"Write": "Edit", "Glob": "Grep"}
TOOLS = ("Bash", "Read", "Edit", "Write", "Grep", "Glob", "MCPTool", "WebFetch", "WebSearch", "Agent")
_RULE = re.compile(rf"({'|'.join(TOOLS)})(?:\(([^()\x00-\x1f\x7f]{{1,1000}})\))?")
#: As other agents write it: a server's tools, or one of them.
_MCP = re.compile(r"mcp__([A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*)(?:__([A-Za-z0-9_*-]+))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A tool, and which of its calls are meant; none: all of them."""

    tool: str
    pattern: str | None = None

    def __str__(self) -> str:
        return f"{self.tool}({self.pattern})" if self.pattern else self.tool

    def touches(self, other: Rule) -> bool:
        """Whether this may mean a call that the other means too."""
        if _SAME.get(self.tool, self.tool) != _SAME.get(other.tool, other.tool):
            return False
        if self.pattern is None or other.pattern is None:
            return True
        return self.pattern.startswith("*") or self.pattern.split()[:1] == other.pattern.split()[:1]


def read_rule(text: str) -> Rule:
    """Read a rule. Raises InvalidRequest for what Grok would pass over."""
    if match := _RULE.fullmatch(text):
        return Rule(match[1], match[2])
    if match := _MCP.fullmatch(text):
        return Rule("MCPTool", f"{match[1]}__{match[2] or '*'}")
    raise error_for(
        "invalid_request",
        f"not a tool of Grok's rules: {text[:80]!r}",
        recovery=f"Name one of {', '.join(TOOLS)}, with a pattern if you like: Bash(git *), Edit(src/**), MCPTool(search__*).",
    )
