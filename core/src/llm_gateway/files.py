"""Safe ways to open, read and write files. Standard library only, because shims import this module.

An agent, or any other program of the same user, can put a symlink, a FIFO, a device or a huge file where the gateway expects its
own file. So these functions do not follow a symlink in the last path component (unless `follow` is set), do not block on a FIFO,
and read at most the given number of bytes. Directories get mode 0700 and files 0600, whatever the umask is.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from errno import EINVAL, ENOTDIR

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(
    path: str | os.PathLike[str], *, dir_fd: int | None = None, follow: bool = False, alone: bool = False
) -> int:
    """Open a regular file for reading and return its descriptor.

    :param path: relative to `dir_fd` if that is given.
    :param follow: follow a symlink. For the user's own files, such as settings. Never for a job's files.
    :param alone: refuse a file with more than one hard link: the same file may be in use elsewhere.

    Raises OSError: ELOOP for a symlink, EINVAL for a file that is not regular or that `alone` refuses, and what `open` raises.
    """
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(EINVAL, "not a regular file", os.fspath(path))
        if alone and found.st_nlink > 1:
            raise OSError(EINVAL, "a file with several hard links", os.fspath(path))
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
    """Make a directory and its missing parents, each with mode 0700. Does not change directories that exist.

    Raises NotADirectoryError if something else exists at `path`, and other OSErrors.
    """
    missing = []
    directory = os.path.abspath(path)
    while not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    for directory in reversed(missing):
        # Another process may have made it meanwhile. If it is not a directory, the next step fails.
        with suppress(FileExistsError):
            os.mkdir(directory, 0o700)
    if not os.path.isdir(path):
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), os.fspath(path))


def sync_file(descriptor: int) -> None:
    """Have the disk keep what was written to a file or directory, also after a loss of power. Raises OSError.

    On macOS `fsync` leaves the data in the disk's own cache, and F_FULLFSYNC does not (fcntl(2)). Not every file system has it.
    """
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def write_atomic(
    path: str | os.PathLike[str], data: bytes, *, dir_fd: int | None = None, mode: int = 0o600, durable: bool = False
) -> None:
    """Replace a file atomically: readers see the old content or the new content, never a part. A symlink is replaced, not followed.

    :param path: relative to `dir_fd` if that is given.
    :param durable: call fsync, so that the file survives a loss of power.

    The data is written to `.<name>.<random>` in the same directory and then renamed. A writer that is killed leaves that file
    behind. Raises OSError, also if `path` is a directory.
    """
    folder, name = os.path.split(os.fspath(path))
    if dir_fd is not None and not folder:
        _write_atomic(name, data, dir_fd, mode=mode, durable=durable)
        return
    folder_fd = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        _write_atomic(name, data, folder_fd, mode=mode, durable=durable)
    finally:
        os.close(folder_fd)


def _write_atomic(name: str, data: bytes, folder_fd: int, *, mode: int, durable: bool) -> None:
    draft = f".{name}.{os.urandom(6).hex()}"
    descriptor = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder_fd
    )
    try:
        try:
            os.fchmod(descriptor, mode)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if durable:
                sync_file(descriptor)
        finally:
            os.close(descriptor)
        os.rename(draft, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    except BaseException:
        with suppress(OSError):  # it was removed already, or the disk fails: the first error matters more
            os.unlink(draft, dir_fd=folder_fd)
        raise
    if durable:
        sync_file(folder_fd)
