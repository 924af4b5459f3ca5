"""The spool of an engine that has none of its own: each job's files are in `<home>/jobs/<job id>`. Every method blocks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from llm_gateway.errors import Interrupted
from llm_gateway.files import make_private, open_directory, open_regular, read_regular, write_atomic
from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.spool import Spool


class FolderSpool:
    """Job files in folders of the home. An agent may have put anything into them: only regular files count."""

    def __init__(self, home: Path) -> None:
        self._jobs = home / "jobs"

    def write(self, job_id: JobId, name: str, data: bytes) -> None:
        """Write a draft, sync it, and rename it."""
        folder = self._jobs / job_id
        make_private(folder)
        folder_fd = open_directory(folder)
        try:
            write_atomic(name, data, dir_fd=folder_fd)
        except IsADirectoryError as error:
            raise Interrupted(f"{name} in {folder} cannot be written: a directory has this name") from error
        finally:
            os.close(folder_fd)

    def read(self, job_id: JobId, name: str, most_bytes: int) -> bytes:
        """Read a regular file that has no other name."""
        folder_fd = open_directory(self._jobs / job_id)
        try:
            return read_regular(name, most_bytes=most_bytes, dir_fd=folder_fd, alone=True)
        finally:
            os.close(folder_fd)

    def open(self, job_id: JobId, name: str) -> BinaryIO:
        """Open a regular file that has no other name."""
        folder_fd = open_directory(self._jobs / job_id)
        try:
            return open(open_regular(name, dir_fd=folder_fd, alone=True), "rb")
        finally:
            os.close(folder_fd)

    def delete(self, job_id: JobId, name: str) -> None:
        """Unlink the file."""
        folder_fd = open_directory(self._jobs / job_id)
        try:
            os.unlink(name, dir_fd=folder_fd)
        finally:
            os.close(folder_fd)

    def tidy(self, job_id: JobId, names: Sequence[str]) -> None:
        """Delete drafts, which have names of their own."""
        try:
            folder_fd = open_directory(self._jobs / job_id)
        except OSError:  # the folder was deleted, or its name belongs to something else
            return
        try:
            for entry in os.listdir(folder_fd):
                if entry.startswith(tuple(f".{name}." for name in names)):
                    with suppress(OSError):  # an agent may have created a directory with this name
                        os.unlink(entry, dir_fd=folder_fd)
        finally:
            os.close(folder_fd)

    def leftovers(self, before: datetime) -> Sequence[JobId]:
        """Return the names of folders that have not changed since then."""
        moment = before.timestamp()
        return [JobId(folder.name) for folder in self._jobs.glob("*") if folder.lstat().st_mtime < moment]


def spool_of(engine: Engine, home: Path) -> Spool:
    """Return the engine's own spool, or that of the home."""
    own = getattr(engine, "spool", None)
    if own is None:
        return FolderSpool(home)
    spool: Spool = own()
    return spool
