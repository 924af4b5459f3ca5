"""The file: opened with private permissions, migrated, written in short transactions. Only the owner thread uses it."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from llm_gateway.errors import StoreUnavailable
from llm_gateway.files import make_private
from llm_gateway_store_sqlite.failures import explain, is_busy
from llm_gateway_store_sqlite.schema import APPLICATION_ID, migrations

T = TypeVar("T")

_RETRY_S = 0.01


def statements(script: str) -> list[str]:
    """Cut a script into statements. (`executescript` commits first, and so would break the transaction.)"""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in pending.splitlines()):
        raise ValueError(f"statement without an end: {pending.strip()}")
    return found


class Database:
    """One connection. Every method raises StoreUnavailable for what SQLite or the file system refuses."""

    def __init__(self, path: str, busy_timeout_s: float) -> None:
        self.path = path
        self.schema = 0
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection."""
        if self._connection is None:
            raise StoreUnavailable("The store is not open.")
        return self._connection

    def open(self) -> None:
        """Make or open the file and bring its schema up to date. Leaves nothing open when it fails."""
        try:
            self._make_private()
            self._connection = sqlite3.connect(self.path, timeout=self._busy_timeout_s, isolation_level=None)
            self._retried(self._prepare)
        except BaseException as error:
            self._drop()
            if isinstance(error, OSError | sqlite3.Error):
                raise explain(error, self.path) from error
            raise

    def close(self) -> None:
        """Close. SQLite writes the -wal back and removes it with the last connection of all processes."""
        try:
            self._drop()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def read(self, sql: str, parameters: Mapping[str, Any]) -> list[Any]:
        """All rows of one query."""
        try:
            return self._retried(lambda: self.connection.execute(sql, parameters).fetchall())
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work in one transaction that holds the write lock from its beginning: all of it happens, or nothing."""
        try:
            return self._retried(lambda: self._transact(work))
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # some errors have rolled back already
                connection.execute("ROLLBACK")
            raise
        return result

    def _retried(self, attempt: Callable[[], T]) -> T:
        # SQLite itself waits for a lock (busy_timeout), but not in every case: recovery of the -wal and the change to WAL
        # answer "busy" at once. Those are tried again until the same time is up.
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_S)

    def _make_private(self) -> None:
        folder = os.path.dirname(self.path)
        make_private(folder)
        try:
            # SQLite gives -wal and -shm the mode of the file, so it is enough to make that one before SQLite does.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            # By name only: closing any descriptor of the file would let go of the locks that this process holds on it.
            for name in (self.path, f"{self.path}-wal", f"{self.path}-shm"):
                if os.path.exists(name) and os.stat(name).st_mode & 0o077:
                    os.chmod(name, 0o600)

    def _prepare(self) -> None:
        connection = self.connection
        connection.execute("BEGIN")  # one snapshot: another gateway may be making the file's first tables just now
        try:
            self._check_ours(connection)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = NORMAL")
        if sys.platform == "darwin":  # without it the disk may reorder the writes of a checkpoint
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        known = max(migrations())
        if self.schema < known:
            self._transact(self._migrate)

    def _check_ours(self, connection: sqlite3.Connection) -> None:
        self.schema = connection.execute("PRAGMA user_version").fetchone()[0]
        known = max(migrations())
        if self.schema > known:
            raise StoreUnavailable(
                f"The store {self.path} was written by a newer version (schema {self.schema}; this version supports {known}).",
                recovery="Upgrade llm-gateway-store-sqlite, or choose another [store] url.",
            )
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        if mark != APPLICATION_ID and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreUnavailable(
                f"The database {self.path} belongs to another program.", recovery="Choose another [store] url."
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        self._check_ours(connection)  # again, under the lock: another gateway may have been here first
        for version, file in migrations().items():
            if version > self.schema:
                for statement in statements(Path(file).read_text(encoding="utf-8")):
                    connection.execute(statement)
                self.schema = version
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {self.schema}")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
