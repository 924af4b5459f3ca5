"""What an SQLite error means for the person who runs the gateway."""

from __future__ import annotations

import sqlite3

from llm_gateway.errors import StoreUnavailable

_CHOOSE = "or choose another [store] url."
#: Messages of SQLite or the system -> what happened, what to do. The messages are the same in all versions of SQLite; its error codes
#: came to Python with 3.11 only.
_MEANINGS = (
    ("locked", "is locked by another process", "Find who holds it (`fuser FILE`), or send the request again."),
    ("disk is full", "cannot be written: the disk is full", "Make room on the disk, then send the request again."),
    ("no space left", "cannot be written: the disk is full", "Make room on the disk, then send the request again."),
    ("readonly", "is read-only", f"Make the file and its folder writable for this user, {_CHOOSE}"),
    ("read-only", "is on a read-only file system", f"Make it writable, {_CHOOSE}"),
    ("permission denied", "may not be opened by this user", f"Make the file and its folder yours, {_CHOOSE}"),
    ("not permitted", "may not be opened by this user", f"Make the file and its folder yours, {_CHOOSE}"),
    ("unable to open", "cannot be opened", f"Check that its folder exists and is writable for this user, {_CHOOSE}"),
    ("[errno", "cannot be made", f"Check that its folder can be made and written by this user, {_CHOOSE}"),
    ("malformed", "is damaged", "Stop all gateways and move the file, its -wal and its -shm away: a new one is made."),
    ("not a database", "is not an SQLite database", f"Move the file away, {_CHOOSE}"),
    ("disk i/o error", "cannot be read or written: disk I/O error", "Check the disk and the system's log."),
)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection stood in the way, so that a second try may pass."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def explain(error: Exception, path: str) -> StoreUnavailable:
    """Say what happened to the file, and what to do."""
    words = str(error)
    for sign, what, recovery in _MEANINGS:
        if sign in words.lower():
            return StoreUnavailable(f"The store {path} {what}.", recovery=recovery, provider_message=words)
    return StoreUnavailable(f"The store {path} failed: {words}.", provider_message=words)
