"""The wall keeps the contract of a policy: it grants nothing, and what it wraps stays the same command."""

from __future__ import annotations

from llm_gateway_policy_wall import plugin
from llm_gateway_testing import PolicyContract


class TestWall(PolicyContract):
    plugin = plugin
    name = "wall"
