"""`mcp_managed` keeps the contract of a policy."""

from __future__ import annotations

from llm_gateway_policy_managed import plugin
from llm_gateway_testing import PolicyContract


class TestManaged(PolicyContract):
    plugin = plugin
    name = "managed"
    judges = frozenset({"mcp_managed"})
