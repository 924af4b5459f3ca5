"""Digests of what files hold, within a budget: for saying whether a directory is still as it was. Blocking.

What cannot be compared within the budget raises OverBudget, and so does what cannot be compared at all: a pipe, a device.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable
from errno import EACCES, ELOOP, ENOENT, ENOTDIR, EPERM

from llm_gateway.files import open_regular

_PIECE = 1 << 20
#: What stays so until somebody changes it; any other error says nothing of the file.
_LASTING = (EACCES, ELOOP, ENOENT, ENOTDIR, EPERM)


#: Digests of files that were read before: (device, inode) -> (size, times, digest). A file whose size and times are the same
#: was not written since: the time of its last change (ctime) is set by the system alone.
_known: dict[tuple[int, int], tuple[tuple[int, int, int], bytes]] = {}
_MOST_KNOWN = 50_000
#: A file that was changed so short before it was read may change again within one tick of the file system's clock.
_SETTLED_NS = 2_000_000_000


class OverBudget(Exception):
    """What a place holds cannot be told, or not at this price. The message says why."""


class Budget:
    """What looking may cost, in time and in bytes read. Spent by one thread.

    :param left_out: directories (free of symlinks) that are not looked at, wherever they are met: the gateway's own home.
    """

    def __init__(self, *, seconds: float, most_bytes: int, left_out: Iterable[str] = ()) -> None:
        self.left_out = frozenset(left_out)
        self._until = time.monotonic() + seconds
        self._bytes_left = most_bytes

    @property
    def seconds_left(self) -> float:
        """How much time is left; 0 when none is."""
        return max(0.0, self._until - time.monotonic())

    def spend(self, number_of_bytes: int = 0) -> None:
        """Note that so many bytes are about to be read. Raises OverBudget when they, or the time, are too much."""
        self._bytes_left -= number_of_bytes
        if self._bytes_left < 0:
            raise OverBudget("more bytes than are compared")
        if time.monotonic() >= self._until:
            raise OverBudget("it takes longer than comparing may take")


class ContentDigest:
    """One SHA-256 over names and contents. Times, owners and empty directories do not count.

    :param roots: directories (free of symlinks) of which everything is added anyway: a symlink into one of them is only a name.
    """

    def __init__(self, budget: Budget, roots: Iterable[str] = ()) -> None:
        self.budget = budget
        self._digest = hashlib.sha256()
        self.roots = list(roots)
        self._seen: set[tuple[int, int]] = set()

    def add(self, *parts: str | bytes) -> None:
        """Add words. No two sequences of calls with different words give the same digest."""
        framed = [part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part for part in parts]
        lengths = ",".join([str(len(part)) for part in framed])
        self._digest.update(b"%s:%s" % (lengths.encode(), b"".join(framed)))

    def add_path(self, path: str) -> None:
        """Add what is found at a path, whatever that is, nothing included. Raises OverBudget."""
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
        """What is in a directory, in the order of the names. Raises OSError and OverBudget."""
        found = []
        with os.scandir(path) as entries:
            for number, entry in enumerate(entries):
                if number % 256 == 0:
                    self.budget.spend()
                found.append(entry)
        return sorted(found, key=lambda entry: entry.name)

    def first_time(self, facts: os.stat_result) -> bool:
        """Whether this directory was not added yet: it is added once, however many ways lead to it."""
        place = (facts.st_dev, facts.st_ino)
        if place in self._seen:
            return False
        self._seen.add(place)
        return True

    def is_left_out(self, path: str) -> bool:
        """Whether a path lies in a directory that is not looked at."""
        return any(path == place or path.startswith(place + os.sep) for place in self.budget.left_out)

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._digest.hexdigest()

    def add_directory(self, path: str, entries: Iterable[os.DirEntry[str]]) -> None:
        """Add what is in a directory."""
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
        place, times = (facts.st_dev, facts.st_ino), (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        known = _known.get(place)
        if known is not None and known[0] == times:
            return known[1]
        self.budget.spend(facts.st_size)
        settled = time.time_ns() - facts.st_ctime_ns > _SETTLED_NS
        content = hashlib.sha256()
        with open(open_regular(path), "rb", buffering=0) as file:
            length = 0
            while piece := file.read(_PIECE):
                length += len(piece)
                self.budget.spend(len(piece) if length > facts.st_size else 0)
                content.update(piece)
            settled = settled and os.fstat(file.fileno()).st_ctime_ns == facts.st_ctime_ns
        digest = content.digest()
        if settled:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[place] = (times, digest)
        return digest

    def _add_error(self, path: str, error: OSError) -> None:
        if error.errno not in _LASTING:
            raise OverBudget(f"{path} cannot be read: {error.strerror}") from error
        self.add("none", str(error.errno))
