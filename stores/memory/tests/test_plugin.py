"""The twin in memory. What it does is tested by the contract that all stores share."""

from __future__ import annotations

from llm_gateway_store_memory.plugin import gateway_open_store
from llm_gateway_store_memory.store import MemoryStore


def test_memory_urls_are_ours_and_others_are_not() -> None:
    assert isinstance(gateway_open_store("memory:"), MemoryStore)
    assert gateway_open_store("sqlite:") is None
    assert gateway_open_store("memory") is None


def test_every_store_is_a_house_of_its_own() -> None:
    assert gateway_open_store("memory:") is not gateway_open_store("memory:")
