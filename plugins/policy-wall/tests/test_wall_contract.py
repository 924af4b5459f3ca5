"""The wall passes the contract of a policy."""

from __future__ import annotations

from llm_gateway_policy_wall.plugin import Wall
from llm_gateway_testing import PolicyContract


class TestWall(PolicyContract):
    plugin = Wall
    name = "wall"
