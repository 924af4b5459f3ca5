"""Hold a place for what is protected and not there yet, so that a run cannot make it.

A mount needs something to stand on. An empty folder or file is made on the disk before the run and removed after it, by the last
run that needs it: everyone who relies on it holds a shared lock of the folder it stands in. Its time of modification (the second
second of 1970) tells it from what a user made; one that a killed supervisor left is used, and removed, by the next run.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

_STAMP = 1  #: seconds since 1970


class MountPoints:
    """Those of one run."""

    def __init__(self) -> None:
        self._locks: dict[str, int] = {}
        self._places: list[str] = []

    def hold(self, path: str) -> bool:
        """Make sure that something stands at a path; False: nothing can, such as in a folder that is not there.

        Raises OSError (ELOOP) where a symlink stands: no mount can keep that from being replaced.
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
        self._places.append(path)
        return True

    def release(self) -> None:
        """Remove what nobody needs any more."""
        for path in self._places:
            fd = self._locks[os.path.dirname(path)]
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # another run relies on it, and will remove it
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
    """Names such as `.git`, `hooks` are folders; such as `AGENTS.md`, `settings.json` are files. `.env` is a file."""
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
    except OSError:  # used, or gone
        pass
