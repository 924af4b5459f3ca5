"""The contract of a store. Subclass it to test your store.

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
from llm_gateway_testing.contract.store_lifecycle import LifecycleContract
from llm_gateway_testing.contract.store_records import RecordContract
from llm_gateway_testing.contract.store_sessions import SessionContract


@pytest.mark.anyio
class StoreContract(AdmissionContract, LifecycleContract, RecordContract, SessionContract, ABC):
    """What every store must do."""

    @abstractmethod
    def make_store(self, folder: Path) -> Store:
        """Return a store that is not open yet and keeps its data in this folder."""

    def make_sibling(self, store: Store, folder: Path) -> Store:
        """Return a second handle on the same data, as another gateway has it. Return `store` if only one can exist."""
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
