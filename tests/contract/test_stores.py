"""Both stores keep the contract."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from llm_gateway import Store
from llm_gateway_store_memory.store import MemoryStore
from llm_gateway_store_sqlite.store import SqliteStore
from tests.contract.store_contract import StoreContract
from tests.contract.store_machine import TwinStores


class TestMemoryStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return MemoryStore()


class TestSqliteStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return SqliteStore(str(folder / "home" / "gateway.db"))

    def make_sibling(self, store: Store, folder: Path) -> Store:
        return self.make_store(folder)


class MemoryAndSqlite(TwinStores):
    def open_stores(self) -> tuple[Store, Store]:
        self.folder = TemporaryDirectory()
        return MemoryStore(), SqliteStore(f"{self.folder.name}/gateway.db")

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


def test_memory_and_sqlite_live_the_same_life() -> None:
    bounded = settings(max_examples=80, stateful_step_count=40, deadline=None, database=None)
    run_state_machine_as_test(MemoryAndSqlite, settings=bounded)
