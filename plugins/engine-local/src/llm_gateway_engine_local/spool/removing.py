"""Delete the contents of a directory, never through a symlink, with a few descriptors at any depth. Standard library only."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from itertools import count

from llm_gateway_engine_local.process import PORTABLE

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(parent: int, name: str) -> None:
    """Delete an entry of an open directory, and all below it. What cannot be deleted stays; no error is raised.

    Inner directories are moved up, beside the first one, before they are emptied. So a deep tree needs no recursion and no
    descriptor for each level.
    """
    numbers, waiting = count(), [name]
    while waiting:
        entry = waiting.pop()
        try:
            os.unlink(entry, dir_fd=parent)
        except (IsADirectoryError, PermissionError):  # Linux raises the first, macOS the second
            _empty(parent, entry, name, numbers, waiting)
        except OSError:
            continue


def _empty(parent: int, entry: str, name: str, numbers: count[int], waiting: list[str]) -> None:
    """Delete a directory after its inner directories were moved up and added to `waiting`."""
    try:
        folder = _open(parent, entry)
    except OSError:
        return
    try:
        for inner in os.listdir(folder):
            above = f".{name}.gone-{os.getpid()}-{next(numbers)}"
            if _move_up(folder, inner, parent, above):
                waiting.append(above)
        os.rmdir(entry, dir_fd=parent)
    except OSError:
        pass
    finally:
        os.close(folder)


def _move_up(folder: int, inner: str, parent: int, above: str) -> bool:
    """Delete a file, or move a directory beside the one that is being emptied. True: it was moved."""
    try:
        os.unlink(inner, dir_fd=folder)
    except (IsADirectoryError, PermissionError):
        pass
    except OSError:
        return False
    else:
        return False
    with suppress(OSError):
        try:
            os.rename(inner, above, src_dir_fd=folder, dst_dir_fd=parent)
        except PermissionError:  # a directory that is not writable cannot be moved
            _make_readable(folder, inner)
            os.rename(inner, above, src_dir_fd=folder, dst_dir_fd=parent)
        return True
    return False


def _open(parent: int, entry: str) -> int:
    """Open a directory and make it writable, so that it can be emptied. Caches often have read-only directories."""
    try:
        folder = os.open(entry, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        _make_readable(parent, entry)
        folder = os.open(entry, _DIRECTORY, dir_fd=parent)
    with suppress(OSError):
        os.fchmod(folder, 0o700)
    return folder


def _make_readable(parent: int, entry: str) -> None:
    """Change the mode of a directory that is not readable. Never follows a link."""
    if PORTABLE:
        if stat.S_ISDIR(os.stat(entry, dir_fd=parent, follow_symlinks=False).st_mode):
            os.chmod(entry, 0o700, dir_fd=parent, follow_symlinks=False)
        return
    found = os.open(entry, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{found}", 0o700)
    finally:
        os.close(found)
