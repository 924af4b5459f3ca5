"""The entry point: a store for `memory:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_gateway import hookimpl

if TYPE_CHECKING:
    from llm_gateway import Store


@hookimpl
def gateway_open_store(url: str) -> Store | None:
    """`memory:`; what it keeps ends with the process."""
    if url.partition(":")[:2] != ("memory", ":"):
        return None

    from llm_gateway_store_memory.store import MemoryStore

    return MemoryStore()
