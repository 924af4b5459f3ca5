"""Both stores keep the contract."""

from __future__ import annotations

from pathlib import Path

from llm_gateway import Store
from llm_gateway_store_memory.store import MemoryStore
from llm_gateway_store_sqlite.store import SqliteStore

from .store_contract import StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return MemoryStore()


class TestSqliteStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return SqliteStore(str(folder / "home" / "gateway.db"))

    def make_sibling(self, store: Store, folder: Path) -> Store:
        return self.make_store(folder)
