"""The one way to open a file that another program can replace, and the one way to write a file whole. Standard library only: shims
use it too.

An agent, or any program of the same user, can put a symlink, a FIFO, a device or a huge file where the gateway expects its own
file. Nothing here follows a link in the last path component unless it is told to, waits for a writer, or reads more than it was
told to. What is made here is private, whatever the umask: directories 0700, files 0600.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from errno import EINVAL, ENOTDIR

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(
    path: str | os.PathLike[str], *, dir_fd: int | None = None, follow: bool = False, alone: bool = False
) -> int:
    """Open a regular file for reading and return its descriptor.

    :param path: relative to `dir_fd` where that is given.
    :param follow: go through a symlink, for files that belong to the user and may be links: settings, never a job's files.
    :param alone: refuse a file that has another name too (a hard link), which may be somebody's file elsewhere.

    Raises OSError: ELOOP for a symlink, EINVAL for anything that is not such a regular file, and what `open` raises.
    """
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(EINVAL, "not a regular file", os.fspath(path))
        if alone and found.st_nlink > 1:
            raise OSError(EINVAL, "a file with another name", os.fspath(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(
    path: str | os.PathLike[str],
    *,
    most_bytes: int,
    dir_fd: int | None = None,
    follow: bool = False,
    alone: bool = False,
) -> bytes:
    """Read a regular file, at most `most_bytes` of it. Raises OSError as `open_regular` does."""
    with open(open_regular(path, dir_fd=dir_fd, follow=follow, alone=alone), "rb") as file:
        return file.read(most_bytes)


def open_directory(path: str | os.PathLike[str], *, dir_fd: int | None = None) -> int:
    """Open a directory to work relative to it. Raises OSError for a symlink and for anything else that is not a directory."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


def make_private(path: str | os.PathLike[str]) -> None:
    """Make a directory and every missing one above it, each 0700. Does nothing to those that are there."""
    missing, place = [], os.path.abspath(path)
    while not os.path.isdir(place):
        missing.append(place)
        place = os.path.dirname(place)
    for place in reversed(missing):
        with suppress(
            FileExistsError
        ):  # another process was faster, or something else is there: then the next step fails
            os.mkdir(place, 0o700)
    if not os.path.isdir(path):
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), os.fspath(path))


def write_atomic(
    path: str | os.PathLike[str], data: bytes, *, dir_fd: int | None = None, mode: int = 0o600, durable: bool = False
) -> None:
    """Put a whole file in place, at once or not at all. What was there before, a symlink too, is replaced and not followed.

    :param path: relative to `dir_fd` where that is given.
    :param durable: the file also survives a loss of power.

    The draft beside it is `.<name>.<random>`; a writer that is killed leaves it. Raises OSError, also when a directory is in the
    file's place.
    """
    folder, name = os.path.split(os.fspath(path))
    place = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        draft = f".{name}.{os.urandom(6).hex()}"
        descriptor = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=place
        )
        try:
            try:
                os.fchmod(descriptor, mode)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(draft, name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            with suppress(OSError):  # somebody removed it, or the disk is in trouble
                os.unlink(draft, dir_fd=place)
            raise
        if durable:
            os.fsync(place)
    finally:
        os.close(place)
