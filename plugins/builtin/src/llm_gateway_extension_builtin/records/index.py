"""An index of the texts of turns, in a file of its own in the home. It can be deleted at any time: the next search builds it again.

It exists only with `[records] content = "full"`, contains only texts without known secrets, and texts leave it with their jobs.
Every method blocks. Any of them may raise sqlite3.Error, for example if this SQLite has no FTS5.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from llm_gateway_extension_builtin.records.waiting import INDEX

_SCHEMA = 1
_BUSY_S = 5.0
_TABLES = """
CREATE TABLE turns (seq INTEGER PRIMARY KEY, job_id TEXT NOT NULL UNIQUE, ended_at REAL NOT NULL);
CREATE INDEX turns_ended ON turns (ended_at);
CREATE VIRTUAL TABLE texts USING fts5(prompt, reply, tokenize = 'unicode61');
"""


def index_path(home: Path) -> Path:
    """Return the path of the index of a home."""
    return home / INDEX


def remove_index(home: Path) -> None:
    """Delete the index, if there is one."""
    path = index_path(home)
    for name in (path, path.with_name(f"{path.name}-journal")):
        with suppress(FileNotFoundError):
            name.unlink()


class TextIndex:
    """One open index."""

    def __init__(self, home: Path) -> None:
        path = index_path(home)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            self._connection.execute("PRAGMA secure_delete = ON")  # no deleted text stays in the file
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        ((schema,),) = self._connection.execute("PRAGMA user_version")
        if schema != _SCHEMA:
            for kind, name in self._connection.execute(
                "SELECT type, name FROM sqlite_master WHERE name IN ('turns', 'texts')"
            ).fetchall():
                self._connection.execute(f"DROP {kind} {name}")
            for statement in filter(str.strip, _TABLES.split(";")):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def known(self) -> set[str]:
        """Return the ids of the jobs in the index."""
        return {job_id for (job_id,) in self._connection.execute("SELECT job_id FROM turns")}

    def add(self, rows: Iterable[tuple[str, datetime, str, str]]) -> None:
        """Add turns: job id, end, prompt, reply. Those that are there already are left as they are."""
        self._connection.execute("BEGIN IMMEDIATE")
        for job_id, ended_at, prompt, reply in rows:
            values = (job_id, ended_at.timestamp())
            added = self._connection.execute("INSERT OR IGNORE INTO turns (job_id, ended_at) VALUES (?, ?)", values)
            if added.rowcount == 1:
                texts = (added.lastrowid, _plain(prompt), _plain(reply))
                self._connection.execute("INSERT INTO texts (rowid, prompt, reply) VALUES (?, ?, ?)", texts)
        self._connection.execute("COMMIT")

    def prune(self, before: datetime) -> None:
        """Remove the texts of jobs that ended before this."""
        self._connection.execute("BEGIN IMMEDIATE")
        limit = (before.timestamp(),)
        gone = self._connection.execute("SELECT count(*) FROM turns WHERE ended_at < ?", limit).fetchone()[0]
        if gone:
            self._connection.execute(
                "DELETE FROM texts WHERE rowid IN (SELECT seq FROM turns WHERE ended_at < ?)", limit
            )
            self._connection.execute("DELETE FROM turns WHERE ended_at < ?", limit)
            self._connection.execute("INSERT INTO texts (texts) VALUES ('optimize')")  # else deleted words stay in it
        self._connection.execute("COMMIT")

    def search(self, text: str, limit: int) -> list[str]:
        """Return the ids of the newest jobs whose texts have words that begin with all of these."""
        words = re.findall(r"\w+", text)
        match = " ".join(f'"{word}"*' for word in words)
        found = self._connection.execute(
            "SELECT job_id FROM texts JOIN turns ON turns.seq = texts.rowid WHERE texts MATCH ? "
            "ORDER BY ended_at DESC LIMIT ?",
            (match, limit),
        )
        return [job_id for (job_id,) in found]


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
