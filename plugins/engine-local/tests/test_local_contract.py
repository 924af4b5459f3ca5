"""The local engine passes the contract suite of an engine."""

from __future__ import annotations

from pathlib import Path

from llm_gateway import Engine
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_testing import EngineContract


class TestLocal(EngineContract):
    def make_engine(self, home: Path) -> Engine:
        return LocalEngine(home)
