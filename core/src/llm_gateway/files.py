"""The one way to open a file that another program can replace. Standard library only: shims use it too.

An agent, or any program of the same user, can put a symlink, a FIFO, a device or a huge file where the gateway expects its own
file. Nothing here follows a link in the last path component, waits for a writer, or reads more than it was told to.
"""

from __future__ import annotations

import os
import stat
from errno import EINVAL


def open_regular(path: str | os.PathLike[str], *, dir_fd: int | None = None) -> int:
    """Open a regular file for reading and return its descriptor.

    :param path: relative to `dir_fd` where that is given.

    Raises OSError: ELOOP for a symlink, EINVAL for anything that is not a regular file, and what `open` raises.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(EINVAL, "not a regular file", os.fspath(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: str | os.PathLike[str], *, most_bytes: int, dir_fd: int | None = None) -> bytes:
    """Read a regular file, at most `most_bytes` of it. Raises OSError as `open_regular` does."""
    with open(open_regular(path, dir_fd=dir_fd), "rb") as file:
        return file.read(most_bytes)
