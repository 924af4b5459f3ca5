"""The file: opened with private permissions, migrated, written in short transactions. One call at a time uses it.

SQLite syncs the file only when it moves the -wal into the database (a checkpoint) and when it starts the -wal again from its beginning. Both happen in
`checkpoint`, so that no other call waits for a disk.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

from llm_gateway.errors import StoreUnavailable
from llm_gateway.files import make_private
from llm_gateway_store_sqlite.failures import explain, is_busy
from llm_gateway_store_sqlite.schema import APPLICATION_ID, migrations
from llm_gateway_store_sqlite.thread import Blocked

T = TypeVar("T")

#: Waiting times between two attempts to get a lock, in seconds; the last one repeats.
_RETRIES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.025)
#: A checkpoint is due after this many pages, as by SQLite's own default (1000 pages): a transaction writes about ten.
_CHECKPOINT_WRITES = 100
_LARGE_WAL_BYTES = 8 << 20


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
        self._writes = 0  # since the last checkpoint
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
            # SQLite itself waits for no lock (timeout 0): `_retried` waits, in calls that may. The thread differs from call to call.
            self._connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
            self._retried(self._prepare)
            if self._wal_bytes() > _LARGE_WAL_BYTES:  # many short commands, of which none wrote enough for a checkpoint
                self.checkpoint(whole=True)
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

    def read(self, sql: str, parameters: Mapping[str, Any], *, waits: bool = True) -> list[Any]:
        """All rows of one query.

        :param waits: whether to wait for a lock that another connection holds; without it, Blocked is raised.
        """
        return self._do(lambda: self.connection.execute(sql, parameters).fetchall(), waits)

    def write(self, work: Callable[[sqlite3.Connection], T], *, waits: bool = True) -> T:
        """Do work in one transaction that holds the write lock from its beginning: all of it happens, or nothing.

        :param waits: as for `read`; a checkpoint that is due counts as a lock.
        """
        if self._writes >= _CHECKPOINT_WRITES:
            if not waits:
                raise Blocked
            self.checkpoint()
        result = self._do(lambda: self._transact(work), waits)
        self._writes += 1
        return result

    def checkpoint(self, *, whole: bool = False) -> None:
        """Move the -wal into the database as far as no reader needs it, and start it again from its beginning if all of it was moved.

        Blocking: syncs files. Raises nothing if a lock is held or a file cannot be written: the next write reports that.

        :param whole: also cut the file's length, if no other connection reads at this moment.
        """
        self._writes = 0
        mode = "TRUNCATE" if whole else "PASSIVE"
        with suppress(sqlite3.Error):
            is_blocked, pages, moved = self.connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            if not is_blocked and pages == moved:  # the next write starts the -wal from its beginning, and syncs it
                self._transact(lambda connection: connection.execute(f"PRAGMA user_version = {self.schema}"))

    def _do(self, attempt: Callable[[], T], waits: bool) -> T:
        try:
            return self._retried(attempt) if waits else attempt()
        except sqlite3.Error as error:
            if not waits and is_busy(error):
                raise Blocked from error
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
        deadline = time.monotonic() + self._busy_timeout_s
        for pause_s in chain(_RETRIES_S, repeat(_RETRIES_S[-1])):
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(pause_s)
        raise AssertionError("unreachable: the pauses repeat without end")

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
        connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
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

    def _wal_bytes(self) -> int:
        try:
            return os.stat(f"{self.path}-wal").st_size
        except OSError:
            return 0

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
