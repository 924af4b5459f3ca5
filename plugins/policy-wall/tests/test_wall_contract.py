"""The wall passes the contract of a policy."""

from __future__ import annotations

from llm_gateway_policy_wall import plugin
from llm_gateway_testing import PolicyContract


class TestWall(PolicyContract):
    plugin = plugin
    name = "wall"
