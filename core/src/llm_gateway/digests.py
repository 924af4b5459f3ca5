"""Digests of file contents within a budget, to find out whether a directory has changed. Blocking.

OverBudget is raised if the budget is used up, and also for files that have no content to compare, such as pipes and devices.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable
from errno import EACCES, ELOOP, ENOENT, ENOTDIR, EPERM
from functools import lru_cache

from llm_gateway.files import open_regular

_PIECE = 1 << 20
#: Errors that stay the same until the file changes. Any other error may be temporary, so it says nothing about the file.
_LASTING = (EACCES, ELOOP, ENOENT, ENOTDIR, EPERM)


#: Digests of files that were read before: (device, inode) -> ((size, mtime, ctime), digest). If size and times are equal, the
#: file was not written since. Programs cannot set ctime; only the system sets it.
_known: dict[tuple[int, int], tuple[tuple[int, int, int], bytes]] = {}
_MOST_KNOWN = 50_000
#: The digest of a file is kept only if the file is older than this. A file that changed later may change again within one tick of
#: the file system's clock, with the same times.
_SETTLED_NS = 2_000_000_000


class OverBudget(Exception):
    """The digest cannot be computed, or not within the budget. The message is the reason."""


class Budget:
    """A limit in time and in bytes read. Used by one thread.

    :param left_out: directories to skip, such as the gateway's home. Paths without symlinks.
    """

    def __init__(self, *, seconds: float, most_bytes: int, left_out: Iterable[str] = ()) -> None:
        self.left_out = frozenset(left_out)
        self.left_out_prefixes = tuple(folder + os.sep for folder in self.left_out)
        self._until = time.monotonic() + seconds
        self._bytes_left = most_bytes

    @property
    def seconds_left(self) -> float:
        """The time that is left, in seconds; at least 0."""
        return max(0.0, self._until - time.monotonic())

    def spend(self, number_of_bytes: int = 0) -> None:
        """Count bytes before they are read. Raises OverBudget if the bytes or the time are used up."""
        self._bytes_left -= number_of_bytes
        if self._bytes_left < 0:
            raise OverBudget("the files are larger than the limit for comparing")
        if time.monotonic() >= self._until:
            raise OverBudget("comparing the files took longer than the time limit")


class ContentDigest:
    """One SHA-256 over names and contents. Times, owners and empty directories do not count.

    :param roots: directories (paths without symlinks) that are added completely. A symlink into one of them is added as its
        target path only, because its content is added anyway.
    """

    def __init__(self, budget: Budget, roots: Iterable[str] = ()) -> None:
        self.budget = budget
        self._digest = hashlib.sha256()
        self.roots = list(roots)
        self._seen: set[tuple[int, int]] = set()

    def add(self, *parts: str | bytes) -> None:
        """Add strings. Lengths are added too, so that two different sequences of calls never give the same digest."""
        self._digest.update(_framed(*parts))

    def add_path(self, path: str) -> None:
        """Add the file, directory or symlink at a path, or the fact that there is none. Raises OverBudget."""
        self.budget.spend()
        if self.is_left_out(path):
            return
        try:
            facts = os.lstat(path)
        except OSError as error:
            self._add_error(path, error)
            return
        if stat.S_ISDIR(facts.st_mode):
            self._add_directory(path, facts)
        elif stat.S_ISLNK(facts.st_mode):
            self._add_link(path)
        elif stat.S_ISREG(facts.st_mode):
            self._add_file(path, facts)
        else:
            raise OverBudget(f"{path} is a pipe, a socket or a device")

    def entries(self, path: str) -> list[os.DirEntry[str]]:
        """Return the entries of a directory, sorted by name. Raises OSError and OverBudget."""
        found = []
        with os.scandir(path) as entries:
            for number, entry in enumerate(entries):
                if number % 256 == 0:
                    self.budget.spend()
                found.append(entry)
        return sorted(found, key=lambda entry: entry.name)

    def first_time(self, facts: os.stat_result) -> bool:
        """Return whether this directory was not added before. A directory is added once, even if several paths lead to it."""
        identity = (facts.st_dev, facts.st_ino)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def is_left_out(self, path: str) -> bool:
        """Return whether a path is in a directory that the budget skips."""
        return path in self.budget.left_out or path.startswith(self.budget.left_out_prefixes)

    def hexdigest(self) -> str:
        """Return the digest of everything added so far."""
        return self._digest.hexdigest()

    def add_directory(self, path: str, entries: Iterable[os.DirEntry[str]]) -> None:
        """Add the entries of a directory."""
        for entry in entries:
            self.add(entry.name)
            self.add_path(entry.path)

    def _add_directory(self, path: str, facts: os.stat_result) -> None:
        if not self.first_time(facts):
            self.add("again")
            return
        try:
            entries = self.entries(path)
        except OSError as error:
            self._add_error(path, error)
            return
        self.add("directory")
        self.add_directory(path, entries)
        self.add("end")

    def _add_link(self, path: str) -> None:
        try:
            self.add("link", os.readlink(path))
        except OSError as error:
            self._add_error(path, error)
            return
        real = os.path.realpath(path)
        if not any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in self.roots):
            if os.path.islink(real):  # a loop
                self.add("loop")
            else:
                self.add_path(real)

    def _add_file(self, path: str, facts: os.stat_result) -> None:
        try:
            content = self._content(path, facts)
        except OSError as error:
            self._add_error(path, error)
        else:
            self.add("file", b"x" if facts.st_mode & 0o111 else b"-", content)

    def _content(self, path: str, facts: os.stat_result) -> bytes:
        identity = (facts.st_dev, facts.st_ino)
        times = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        known = _known.get(identity)
        if known is not None and known[0] == times:
            return known[1]
        self.budget.spend(facts.st_size)
        settled = time.time_ns() - facts.st_ctime_ns > _SETTLED_NS
        content = hashlib.sha256()
        with open(open_regular(path), "rb", buffering=0) as file:
            length = 0
            while True:
                piece = file.read(_PIECE)
                if not piece:
                    break
                length += len(piece)
                # The size was counted above. Count again only if the file has grown meanwhile.
                self.budget.spend(len(piece) if length > facts.st_size else 0)
                content.update(piece)
            settled = settled and os.fstat(file.fileno()).st_ctime_ns == facts.st_ctime_ns
        digest = content.digest()
        if settled:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[identity] = (times, digest)
        return digest

    def _add_error(self, path: str, error: OSError) -> None:
        if error.errno not in _LASTING:
            raise OverBudget(f"{path} cannot be read: {error.strerror}") from error
        self._digest.update(_framed_error(error.errno))


def _framed(*parts: str | bytes) -> bytes:
    """Return strings with their lengths."""
    framed = [part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part for part in parts]
    if len(framed) == 1:
        return b"%d:%s" % (len(framed[0]), framed[0])
    lengths = ",".join([str(len(part)) for part in framed])
    return b"%s:%s" % (lengths.encode(), b"".join(framed))


@lru_cache(maxsize=64)
def _framed_error(number: int | None) -> bytes:
    """Return what is added for a path that is not there. Most paths of settings files are not."""
    return _framed("none", str(number))
