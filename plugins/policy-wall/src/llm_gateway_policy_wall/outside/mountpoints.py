"""Create mount points for protected paths that do not exist, so that a run cannot create them.

A mount needs an existing path. So an empty folder or file is created before the run and removed after it by the last run that
needs it: every run that uses it holds a shared lock of its parent folder. Its modification time (one second after 1970 began)
distinguishes it from a file of the user. If a supervisor was killed, the next run uses and removes its mount points.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

_STAMP = 1  #: seconds since 1970


class MountPoints:
    """The mount points of one run."""

    def __init__(self) -> None:
        self._locks: dict[str, int] = {}
        self._paths: list[str] = []

    def hold(self, path: str) -> bool:
        """Make sure that a path exists. False: it cannot be created, for example because its folder does not exist.

        Raises OSError (ELOOP) if the path is a symbolic link: no mount can protect a link from being replaced.
        """
        folder = os.path.dirname(path)
        if not self._lock(folder):
            return False
        try:
            if _is_folder(path):
                os.mkdir(path, 0o755)
            else:
                content = b"{}\n" if path.endswith(".json") else b""
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with open(fd, "wb") as file:
                    file.write(content)
            os.utime(path, (_STAMP, _STAMP))
        except FileExistsError:
            if os.path.islink(path):
                raise OSError(errno.ELOOP, "a symbolic link", path) from None
        except OSError:
            return False
        self._paths.append(path)
        return True

    def release(self) -> None:
        """Remove the mount points that no other run uses."""
        for path in self._paths:
            fd = self._locks[os.path.dirname(path)]
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # another run uses it and will remove it
                continue
            _remove(path)
        for fd in self._locks.values():
            os.close(fd)
        self._locks.clear()

    def _lock(self, folder: str) -> bool:
        if folder not in self._locks:
            try:
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                return False
            fcntl.flock(fd, fcntl.LOCK_SH)
            self._locks[folder] = fd
        return True


def _is_folder(path: str) -> bool:
    """Whether a name is that of a folder, such as `.git` or `hooks`. `AGENTS.md`, `settings.json` and `.env` are files."""
    name = os.path.basename(path)
    return name != ".env" and "." not in name[1:]


def _remove(path: str) -> None:
    try:
        found = os.lstat(path)
        if int(found.st_mtime) != _STAMP:
            return
        if stat.S_ISDIR(found.st_mode):
            os.rmdir(path)
        elif stat.S_ISREG(found.st_mode) and found.st_size <= 3:
            os.unlink(path)
    except OSError:  # in use, or already removed
        pass
