"""Reads the file for short commands: `llm_gateway.StoreReader`. No thread, no event loop, no pydantic, no dataclasses."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import datetime, timedelta, timezone

from llm_gateway import listed_job
from llm_gateway_store_sqlite.location import path_of
from llm_gateway_store_sqlite.queries import SQL, listed
from llm_gateway_store_sqlite.schema import APPLICATION_ID, migrations

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

_BUSY_S = 5.0
_DOCUMENT = 1  #: the version of documents that `llm_gateway.to_json` writes
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNFINISHED = {"queued", "running"}
_LIST = SQL["list_jobs"].replace("{scope}", "1")
_LIST_UNFINISHED = SQL["list_jobs"].replace("{scope}", "ended_at IS NULL")


def open_reader(url: str, home: str) -> SqliteReader | None:
    """Open the file of a `sqlite:` URL. None: it does not exist, is open to other users, or has another schema."""
    path = path_of(url.partition(":")[2], home)
    if os.stat(path).st_mode & 0o077:
        return None
    address = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # Not mode=ro: the last connection of all processes writes the -wal back, and a read-only one cannot.
    connection = sqlite3.connect(f"file:{address}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        ((schema,),) = connection.execute("PRAGMA user_version")
        ((mark,),) = connection.execute("PRAGMA application_id")
    except BaseException:
        connection.close()
        raise
    if (schema, mark) != (max(migrations()), APPLICATION_ID):
        connection.close()
        return None
    return SqliteReader(connection)


class SqliteReader:
    """One connection that only reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def list_jobs(
        self,
        *,
        principal: str = "local",
        states: Collection[str] | None = None,
        provider: str | None = None,
        limit: int = 100,
    ) -> Sequence[Mapping[str, Any]]:
        unfinished = states is not None and set(states) <= _UNFINISHED
        query = {
            "principal": principal,
            "states": listed(states),
            "provider": provider,
            "limit": limit,
        }
        rows = self._connection.execute(_LIST_UNFINISHED if unfinished else _LIST, query)
        return [_listed(row) for row in rows]

    def unfinished_owners(self) -> Collection[str]:
        return {owner for (owner,) in self._connection.execute(SQL["owners"])}

    def close(self) -> None:
        self._connection.close()


def _listed(row: Any) -> dict[str, Any]:
    """Return the job of a row as `rows.job_from` and `job_view` would. Raises KeyError or ValueError for another version's document."""
    doc, id_, state, provider, _, _, _, session_id, created, started, ended, _, _ = row
    document = json.loads(doc)
    if document["schema"] != _DOCUMENT:
        raise ValueError("a document of another version")
    reply = document.get("reply")
    given = reply or {}
    return listed_job(
        id=id_,
        state=state,
        provider=provider,
        model=given.get("model") or document.get("model"),
        posture=document["posture"],
        session_id=session_id,
        native_id=given.get("native_id"),
        working_dir=document["working_dir"],
        correlation_id=document.get("correlation_id", ""),
        created_at=_EPOCH + timedelta(microseconds=created),
        started_at=_moment(started),
        ended_at=_moment(ended),
        duration_s=None if reply is None else given.get("duration_s", 0.0),
        error_code=document.get("error_code"),
        cost_usd=given.get("cost", {}).get("usd"),
    )


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)
