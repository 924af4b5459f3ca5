"""The entry point: a store for `sqlite:` URLs. Cheap to import; SQLite itself is imported when a store is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from llm_gateway import hookimpl

if TYPE_CHECKING:
    from llm_gateway import Store


@hookimpl
def gateway_open_store(url: str, home: str) -> Store | None:
    """`sqlite:///absolute/path`; `sqlite:` or `sqlite://` alone: `gateway.db` in the home."""
    scheme, colon, rest = url.partition(":")
    if scheme != "sqlite" or not colon:
        return None

    from llm_gateway_store_sqlite.store import SqliteStore

    path = rest[2:] if rest.startswith("//") else rest
    if path in ("", "/"):
        return SqliteStore(os.path.join(home, "gateway.db"))
    if not os.path.isabs(path):
        raise ValueError(f"{url!r} names no absolute path; write sqlite:///absolute/path/to/file.db, or sqlite: alone")
    return SqliteStore(path)
