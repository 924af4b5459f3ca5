"""A job's folder: every file of a run is made, read and deleted here, relative to an open directory.

No path below the folder is ever followed through a symlink, so that nothing an agent plants there can lead a read, a write or a
delete elsewhere. Folders are 0700, files 0600. Standard library only: keepers use it too.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 1
SPEC, STATE, EXIT, CANCEL, LOCK = "spec.json", "state.json", "exit.json", "cancel", "lock"
STDIN, STDOUT, STDERR = "stdin", "stdout", "stderr"
FILES, ARTIFACTS = "files", "artifacts"


class Folder:
    """An open job folder. Raises OSError where it is missing, a symlink or another user's."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        if create:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with suppress(FileExistsError):  # it may hold others' papers already
                os.mkdir(path, 0o700)
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if os.fstat(self.fd).st_uid != os.geteuid():
            self.close()
            raise PermissionError(f"{path} belongs to somebody else")

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directory. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def open(self, name: str, flags: int) -> int:
        """Open a file in the folder; raises OSError for a symlink."""
        return os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=self.fd)

    def stat(self, name: str) -> os.stat_result | None:
        """Look at an entry itself; None: there is none."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except OSError:
            return None

    def has(self, name: str) -> bool:
        """Say whether there is an entry of this name."""
        return self.stat(name) is not None

    def size(self, name: str) -> int:
        """Bytes in a file; 0: there is none."""
        found = self.stat(name)
        return found.st_size if found else 0

    def read(self, name: str) -> bytes | None:
        """Read a whole file; None: there is none."""
        try:
            fd = self.open(name, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(fd, "rb") as file:
            return file.read()

    def write(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Put a whole file in place, at once or not at all; `durable`: it also survives a loss of power."""
        draft = f".{name}.{os.urandom(6).hex()}"
        fd = self.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                if durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(draft, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except FileNotFoundError:  # somebody took us for dead and removed the draft
            self.write(name, data, durable=durable)
        except BaseException:
            self.remove(draft)
            raise
        if durable:
            os.fsync(self.fd)

    def remove_drafts(self, *names: str) -> None:
        """Delete what a killed writer of these left. A living one notices, and begins anew."""
        for entry in os.listdir(self.fd):
            if entry.startswith(tuple(f".{name}." for name in names)):
                self.remove(entry)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Read a document; None: there is none. Raises ValueError for another schema."""
        data = self.read(name)
        if data is None:
            return None
        document: dict[str, Any] = json.loads(data)
        if document.get("schema") != SCHEMA:
            raise ValueError(f"{name} in {self.path} is of another schema")
        return document

    def write_json(self, name: str, document: dict[str, Any], *, durable: bool = False) -> None:
        """Put a document in place; lone surrogates (file names that are not UTF-8) survive."""
        self.write(name, json.dumps({"schema": SCHEMA, **document}).encode("ascii"), durable=durable)

    def lock(self, *, shared: bool = False, wait: bool = False) -> int | None:
        """Take the job's lock; closing the answered descriptor gives it back. None: somebody holds it.

        Shared: only to see whether a keeper lives. Two who look at once must not take each other for one.
        """
        fd = self.open(LOCK, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        return fd

    def is_held(self) -> bool:
        """Say whether somebody holds the lock."""
        fd = self.lock(shared=True)
        if fd is not None:
            os.close(fd)
        return fd is None

    def make_files(self, files: dict[str, bytes]) -> None:
        """Make the run's temporary files."""
        os.mkdir(FILES, 0o700, dir_fd=self.fd)
        root = os.open(FILES, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.fd)
        try:
            for name, content in files.items():
                parts = plain_parts(name)
                for depth in range(1, len(parts)):
                    with suppress(FileExistsError):
                        os.mkdir("/".join(parts[:depth]), 0o700, dir_fd=root)
                fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=root)
                with os.fdopen(fd, "wb") as file:
                    file.write(content)
        finally:
            os.close(root)

    def keep_artifacts(self, artifacts: list[str], run_files: str) -> None:
        """Move the artifacts that lie among the temporary files out of there, before those are deleted."""
        if not artifacts:
            return
        root = os.path.realpath(os.path.join(self.path, FILES)) + os.sep
        for number, artifact in enumerate(artifacts):
            found = [os.path.realpath(path) for path in _named(artifact.replace(run_files, root))]
            inside = [path for path in dict.fromkeys(found) if path.startswith(root) and os.path.isfile(path)]
            if inside:
                os.makedirs(os.path.join(self.path, ARTIFACTS), 0o700, exist_ok=True)
                kept = os.path.join(self.path, ARTIFACTS, str(number))
                os.chmod(inside[0], 0o600)
                os.rename(inside[0], kept)
                for path in inside[1:]:
                    with open(kept, "ab") as whole, open(path, "rb") as part:
                        while data := part.read(1 << 20):
                            whole.write(data)

    def remove(self, name: str) -> None:
        """Delete a file or a whole tree, never through a symlink. What cannot be deleted stays, silently."""
        _remove(self.fd, name)


def plain_parts(name: str) -> list[str]:
    """Split a relative path; raises ValueError where it could lead out of its folder."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ValueError(f"{name!r} is not the name of a file inside a folder")
    return parts


def _named(path: str) -> list[str]:
    """What a path names: of `folder/*` every file there, in the order of their names."""
    folder, name = os.path.split(path)
    if name != "*":
        return [path]
    return [os.path.join(folder, entry) for entry in sorted(os.listdir(folder))] if os.path.isdir(folder) else []


def _remove(parent: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except (IsADirectoryError, PermissionError):  # the one on Linux, the other on macOS
        pass
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            return
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            os.fchmod(fd, 0o700)  # caches like to be read-only
            for entry in os.listdir(fd):
                _remove(fd, entry)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=parent)
    except (OSError, RecursionError):
        pass
