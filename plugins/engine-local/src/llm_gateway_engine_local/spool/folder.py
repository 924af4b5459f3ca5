"""A job's folder. Every file of a run is created, read and deleted here, relative to an open directory.

An agent can put anything into the folder. So no symlink is followed, only regular files with one name are opened, no open or read
waits, and reads have a limit. Folders are 0700, files 0600. Standard library, `llm_gateway.files` and `llm_gateway.leases` only: shims use it.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress

from llm_gateway.files import make_private, open_directory, write_atomic
from llm_gateway.leases import lock

from .removing import remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 1
SPEC, STATE, EXIT, CANCEL, LOCK = "spec.json", "state.json", "exit.json", "cancel", "lock"
STDIN, STDOUT, STDERR = "stdin", "stdout", "stderr"
FILES, ARTIFACTS = "files", "artifacts"
#: More than any document needs; `spec.json` holds the whole argv, which the system limits to 2 MB.
_MOST_DOCUMENT_BYTES = 16 << 20
_ATTEMPTS = 5
#: The entry is not a regular file: a symlink, a directory, a FIFO or a device.
_NO_FILE = {errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO, errno.EMLINK}


class Folder:
    """An open job folder. Raises OSError where it is missing, a symlink or another user's."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        if create:
            make_private(os.path.dirname(path))
            with suppress(FileExistsError):  # it may contain job files already
                os.mkdir(path, 0o700)
        self.path = path
        self.fd = open_directory(path)
        if os.fstat(self.fd).st_uid != os.geteuid():
            self.close()
            raise PermissionError(f"{path} belongs to another user")

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def gone(self) -> bool:
        """Whether the open directory was deleted."""
        return os.fstat(self.fd).st_nlink == 0

    def open(self, name: str, flags: int) -> int:
        """Open a file in the folder. Raises OSError: ELOOP for a symlink, EINVAL for anything but a regular file with one name."""
        return open_inside(self.fd, name, flags)

    def stat(self, name: str) -> os.stat_result | None:
        """The status of an entry, never of a link's target. None: there is none."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except OSError:
            return None

    def has(self, name: str) -> bool:
        """Whether there is an entry of this name."""
        return self.stat(name) is not None

    def size(self, name: str) -> int:
        """The bytes in a file. 0: there is none."""
        found = self.stat(name)
        return found.st_size if found and stat.S_ISREG(found.st_mode) else 0

    def write(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Replace a whole file atomically. `durable`: it also survives a loss of power."""
        for _ in range(_ATTEMPTS):
            if self._try_to_write(name, data, durable=durable):
                return
        write_atomic(name, data, dir_fd=self.fd, durable=durable)

    def _try_to_write(self, name: str, data: bytes, *, durable: bool) -> bool:
        try:
            write_atomic(name, data, dir_fd=self.fd, durable=durable)
        except FileNotFoundError:  # another process removed the draft as that of an ended writer, or the folder is gone
            return False
        except (IsADirectoryError, NotADirectoryError):
            self.remove(name)
            return False
        return True

    def remove_drafts(self, *names: str) -> None:
        """Delete the drafts that a killed writer of these files left. A running writer notices and starts again."""
        for entry in os.listdir(self.fd):
            if entry.startswith(tuple(f".{name}." for name in names)):
                self.remove(entry)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Read a document. None: there is none. Raises ValueError for anything that is not a document of this schema."""
        try:
            with os.fdopen(self.open(name, os.O_RDONLY), "rb") as file:
                data = file.read(_MOST_DOCUMENT_BYTES + 1)
            if len(data) > _MOST_DOCUMENT_BYTES:
                raise ValueError(f"{name} in {self.path} is too large")
            document = json.loads(data)
        except FileNotFoundError:
            return None
        except RecursionError as error:
            raise ValueError(f"{name} in {self.path} is nested too deeply") from error
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise ValueError(f"{name} in {self.path} is not a regular file: {error}") from error
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError(f"{name} in {self.path} has another schema")
        return document

    def read_json_or_nothing(self, name: str) -> dict[str, Any]:
        """Read a document. Empty if there is none, or it is not valid."""
        try:
            return self.read_json(name) or {}
        except ValueError:
            return {}

    def write_json(self, name: str, document: dict[str, Any], *, durable: bool = False) -> None:
        """Replace a document atomically. Lone surrogates (file names that are not UTF-8) are kept."""
        self.write(name, json.dumps({"schema": SCHEMA, **document}).encode("ascii"), durable=durable)

    def touch(self, name: str) -> int:
        """Open or create an empty file, for a lock or a mark. Anything else with that name is removed."""
        found = self.stat(name)
        if found is not None and (not stat.S_ISREG(found.st_mode) or found.st_nlink > 1):
            self.remove(name)
        return self.open(name, os.O_RDWR | os.O_CREAT)

    def lock(self, *, shared: bool = False) -> int | None:
        """Take the job's lock. Closing the returned descriptor releases it. None: another process holds it.

        :param shared: only to check whether a shim holds it. Two processes that check at the same time do not exclude each other.
        """
        fd = self.touch(LOCK)
        try:
            locked = lock(fd, shared=shared)
        except BaseException:
            os.close(fd)
            raise
        if locked:
            return fd
        os.close(fd)
        return None

    def is_held(self) -> bool:
        """Whether any process holds the lock."""
        fd = self.lock(shared=True)
        if fd is not None:
            os.close(fd)
        return fd is None

    def make_files(self, files: dict[str, bytes]) -> None:
        """Create the run's temporary files."""
        os.mkdir(FILES, 0o700, dir_fd=self.fd)
        for name, content in files.items():
            *folders, last = plain_parts(name)
            place = open_directory(FILES, dir_fd=self.fd)
            try:
                for inner in folders:
                    with suppress(FileExistsError):
                        os.mkdir(inner, 0o700, dir_fd=place)
                    above, place = place, open_directory(inner, dir_fd=place)
                    os.close(above)
                with os.fdopen(open_inside(place, last, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                    file.write(content)
            finally:
                os.close(place)

    def remove(self, name: str) -> None:
        """Delete a file or a whole tree, never through a symlink. What cannot be deleted stays; no error is raised."""
        remove(self.fd, name)


def open_inside(folder: int, name: str, flags: int) -> int:
    """Open a regular file of an open directory. Follows no link, does not wait, and refuses a file with a second name.

    Raises OSError: ELOOP, EINVAL, and what `open` raises.
    """
    fd = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OSError(errno.EINVAL, "not a regular file with one name", name)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def plain_parts(name: str) -> list[str]:
    """Split a relative path. Raises ValueError if it could lead out of its folder."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ValueError(f"{name!r} is not the name of a file inside a folder")
    return parts
