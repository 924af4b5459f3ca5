"""The entry point: a store for `sqlite:` URLs. Cheap to import; SQLite itself is imported when a store is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_gateway import hookimpl
from llm_gateway_store_sqlite.location import path_of

if TYPE_CHECKING:
    from llm_gateway import Store


@hookimpl
def gateway_open_store(url: str, home: str) -> Store | None:
    """`sqlite:///absolute/path`; `sqlite:` or `sqlite://` alone: `gateway.db` in the home."""
    scheme, colon, rest = url.partition(":")
    if scheme != "sqlite" or not colon:
        return None

    from llm_gateway_store_sqlite.store import SqliteStore

    return SqliteStore(path_of(rest, home))
