"""The two stores that the project ships live the same random life."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from llm_gateway import Store
from llm_gateway_store_memory.store import MemoryStore
from llm_gateway_store_sqlite.store import SqliteStore
from llm_gateway_testing import TwinStores


class MemoryAndSqlite(TwinStores):
    def open_stores(self) -> tuple[Store, Store]:
        self.folder = TemporaryDirectory()
        return MemoryStore(), SqliteStore(f"{self.folder.name}/gateway.db")

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


def test_memory_and_sqlite_live_the_same_life() -> None:
    bounded = settings(stateful_step_count=40, deadline=None, database=None)
    run_state_machine_as_test(MemoryAndSqlite, settings=bounded)
