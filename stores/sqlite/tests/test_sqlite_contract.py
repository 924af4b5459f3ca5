"""SQLite keeps the contract of a store, with a second handle as another gateway has it."""

from __future__ import annotations

from pathlib import Path

from llm_gateway import Store
from llm_gateway_store_sqlite.store import SqliteStore
from llm_gateway_testing import StoreContract


class TestSqliteStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return SqliteStore(str(folder / "home" / "gateway.db"))

    def make_sibling(self, store: Store, folder: Path) -> Store:
        return self.make_store(folder)
