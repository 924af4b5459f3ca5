"""The contract of a store, for the author of one.

class TestMyStore(StoreContract):
    def make_store(self, folder):
        return MyStore(folder / "file")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llm_gateway import Store
from llm_gateway_testing.contract.store_admission import AdmissionContract
from llm_gateway_testing.contract.store_life import LifeContract
from llm_gateway_testing.contract.store_records import RecordContract
from llm_gateway_testing.contract.store_sessions import SessionContract


@pytest.mark.anyio
class StoreContract(AdmissionContract, LifeContract, RecordContract, SessionContract, ABC):
    """All that every store must do."""

    @abstractmethod
    def make_store(self, folder: Path) -> Store:
        """A store, unopened, that keeps what it must keep in this folder."""

    def make_sibling(self, store: Store, folder: Path) -> Store:
        """A second handle on the same data, as another gateway has it; the same one, if there can be no other."""
        return store

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        store = self.make_store(tmp_path)
        await store.aopen()
        yield store
        await store.aclose()

    @pytest.fixture
    async def sibling(self, store: Store, tmp_path: Path) -> AsyncIterator[Store]:
        sibling = self.make_sibling(store, tmp_path)
        await sibling.aopen()
        yield sibling
        await sibling.aclose()
