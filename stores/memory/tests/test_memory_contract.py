"""The twin in memory keeps the contract of a store."""

from __future__ import annotations

from pathlib import Path

from llm_gateway import Store
from llm_gateway_store_memory.store import MemoryStore
from llm_gateway_testing import StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return MemoryStore()
