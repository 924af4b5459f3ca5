"""Read files of a working tree without following links anywhere in their paths, and without blocking on pipes or devices."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType

from llm_gateway.files import open_regular

FILE, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
MOST_IN_MEMORY = 8 << 20  #: bytes of one file; larger files are compared but not shown
LATE = "it could not be compared in time"
_PIECE = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The file at a path."""

    kind: str  #: file, link, directory, absent, or the reason why it cannot be read
    mode: str = ""  #: the mode of a file or link as in a tree of git
    size: int = 0
    oid: str = ""  #: git's object name of the content; empty if it was not requested
    data: bytes = b""  #: the beginning of the content, up to the requested size

    @property
    def readable(self) -> bool:
        """Whether the content could be read."""
        return self.kind in ("file", "link")

    @property
    def whole(self) -> bool:
        """Whether `data` is the complete content."""
        return len(self.data) == self.size


class WorkingTree:
    """Reads the files of a directory. Blocking. Use it as a context manager, and read paths in order."""

    def __init__(self, top: str, *, algorithm: str = "sha1", until: float | None = None) -> None:
        """Set the directory.

        :param algorithm: that of the object names of the repository: sha1 or sha256.
        :param until: `time.monotonic()` after which no file is hashed any more.
        """
        self._top = top
        self._algorithm = algorithm
        self._until = until
        self._open: tuple[bytes, int] | None = None

    def __enter__(self) -> WorkingTree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def look(self, path: bytes, most_bytes: int = MOST_IN_MEMORY, *, hashed: bool = True) -> Found:
        """Return the file at a path relative to the directory.

        :param most_bytes: how much of its content to keep.
        :param hashed: whether to compute its object name, which requires reading the whole file.
        """
        folder, _, name = path.rpartition(b"/")
        try:
            descriptor = self._enter(folder)
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                target = os.fsencode(os.readlink(name, dir_fd=descriptor))
                return Found(kind="link", mode=LINK, size=len(target), oid=self._oid(target), data=target)
            if stat.S_ISDIR(status.st_mode):
                return Found(kind="directory")
            if not stat.S_ISREG(status.st_mode):
                return Found(kind="a pipe, socket or device")
            return self._read(name, descriptor, most_bytes, hashed=hashed)
        except OSError as error:
            return Found(kind="absent" if error.errno in _ABSENT else error.strerror or "not readable")

    def names_in(self, path: bytes, limit: int) -> list[bytes]:
        """Return some sorted names in a directory; none if it cannot be read."""
        try:
            descriptor = self._enter(path)
            with os.scandir(descriptor) as entries:
                return sorted(os.fsencode(entry.name) for entry, _ in zip(entries, range(limit), strict=False))
        except OSError:
            return []

    def sha256(self, path: bytes) -> str | None:
        """Return the SHA-256 of a file's content."""
        folder, _, name = path.rpartition(b"/")
        try:
            digest = hashlib.sha256()
            with open(open_regular(os.fsdecode(name), dir_fd=self._enter(folder)), "rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
        except OSError:
            return None
        return digest.hexdigest()

    def _read(self, name: bytes, descriptor: int, most_bytes: int, *, hashed: bool) -> Found:
        with open(open_regular(os.fsdecode(name), dir_fd=descriptor), "rb") as file:
            status = os.fstat(file.fileno())
            mode = EXECUTABLE if status.st_mode & stat.S_IXUSR else FILE
            data = file.read(most_bytes)
            if not hashed:
                return Found(kind="file", mode=mode, size=status.st_size, data=data)
            digest = hashlib.new(self._algorithm, b"blob %d\0" % status.st_size)
            digest.update(data)
            size = len(data)
            while piece := file.read(_PIECE):
                if self._until is not None and time.monotonic() > self._until:
                    return Found(kind=LATE)
                digest.update(piece)
                size += len(piece)
        return Found(kind="file", mode=mode, size=size, oid=digest.hexdigest(), data=data)

    def _oid(self, data: bytes) -> str:
        return hashlib.new(self._algorithm, b"blob %d\0" % len(data) + data).hexdigest()

    def _enter(self, folder: bytes) -> int:
        """Return a descriptor of a directory, opened without following links. Raises OSError."""
        if self._open and self._open[0] == folder:
            return self._open[1]
        self._close()
        descriptor = os.open(self._top, _FOLDER)
        for part in folder.split(b"/") if folder else ():
            with closing(_Descriptor(descriptor)):
                descriptor = os.open(part, _FOLDER, dir_fd=descriptor)
        self._open = (folder, descriptor)
        return descriptor

    def _close(self) -> None:
        if self._open:
            os.close(self._open[1])
            self._open = None


class _Descriptor:
    def __init__(self, number: int) -> None:
        self._number = number

    def close(self) -> None:
        os.close(self._number)
