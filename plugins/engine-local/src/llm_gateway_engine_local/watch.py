"""Watch the files of a run: by inotify, or by polling four times a second. `watch_portable` has the implementation for macOS."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from contextlib import suppress
from typing import Protocol

import anyio

from .spool.folder import EXIT, STATE, STDERR, STDOUT

_IN_MODIFY, _IN_MOVED_TO, _IN_CREATE, _IN_CLOSE_WRITE = 0x2, 0x80, 0x100, 0x8
_WANTED = _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE | _IN_CLOSE_WRITE
WATCHED = (STDOUT, STDERR, STATE, EXIT)
_NAMES = {name.encode() for name in WATCHED}  # not the lock: checking it opens it
_EVENT = struct.Struct("iIII")
_POLL_S = 0.25


class FileWatch(Protocol):
    """A watch on one job folder."""

    async def changed(self) -> None:
        """Wait until something changed since the last time."""

    def close(self) -> None:
        """Stop watching. Idempotent."""


class FileWatcher(Protocol):
    """Makes watches for one engine."""

    def watch(self, path: str) -> FileWatch:
        """Watch a job folder from now on. The caller closes the watch."""

    def close(self) -> None:
        """Release everything. Idempotent."""


class InotifyWatcher:
    """One inotify descriptor for all watches of an engine. Used from one event loop.

    There is no task of its own: the first waiter (the leader) reads the descriptor and notifies the others.
    """

    def __init__(self, *, inotify: bool = True) -> None:
        self._libc = ctypes.CDLL(None) if inotify and sys.platform.startswith("linux") else None
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC) if self._libc else -1
        self._watches: dict[int, set[Watch]] = {}
        self._followers: set[anyio.Event] = set()
        self._has_leader = False

    def watch(self, path: str) -> Watch:
        """Watch a job folder from now on. The caller closes the watch."""
        number = -1
        if self._fd >= 0 and self._libc:
            number = self._libc.inotify_add_watch(self._fd, os.fsencode(path), _WANTED)
        watch = Watch(self, path, number)
        if number >= 0:
            self._watches.setdefault(number, set()).add(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        """Remove a watch. Idempotent."""
        left = self._watches.get(watch.number)
        if left is not None:
            left.discard(watch)
            if not left and self._libc:
                del self._watches[watch.number]
                self._libc.inotify_rm_watch(self._fd, watch.number)

    def close(self) -> None:
        """Close the descriptor. Idempotent."""
        fd, self._fd = self._fd, -1
        self._watches.clear()
        if fd >= 0:
            os.close(fd)

    async def wait(self) -> None:
        """Wait until some watch may have changed. Waits as the leader if there is none."""
        if self._has_leader:
            follower = anyio.Event()
            self._followers.add(follower)
            try:
                await follower.wait()
            finally:
                self._followers.discard(follower)
            return
        self._has_leader = True
        try:
            await anyio.wait_readable(self._fd)
            self._dispatch()
        finally:
            self._has_leader = False
            for follower in self._followers:  # also when this one was canceled: another must become the leader
                follower.set()

    def _dispatch(self) -> None:
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            number, _, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            if number < 0:  # the queue overflowed: any file may have changed
                for watches in self._watches.values():
                    for watch in watches:
                        watch.dirty = True
            elif name in _NAMES:
                for watch in self._watches.get(number, ()):
                    watch.dirty = True


class Watch:
    """A watch on one job folder. Several changes can be one."""

    __slots__ = ("_path", "_seen", "_watcher", "dirty", "number")

    def __init__(self, watcher: InotifyWatcher, path: str, number: int) -> None:
        self._watcher, self._path, self.number = watcher, path, number
        self.dirty = False
        self._seen = read_sizes(path)

    async def changed(self) -> None:
        """Wait until something changed since the last time."""
        while not self.dirty:
            if self.number >= 0:
                await self._watcher.wait()
            else:
                await anyio.sleep(_POLL_S)
                before = self._seen
                self._seen = read_sizes(self._path)
                self.dirty = before != self._seen
        self.dirty = False

    def close(self) -> None:
        """Stop watching. Idempotent."""
        self._watcher.forget(self)


def read_sizes(path: str) -> list[tuple[str, int, int]]:
    """The sizes and times of a job's files, to compare them later."""
    found = []
    for name in WATCHED:
        with suppress(OSError):
            status = os.lstat(os.path.join(path, name))
            found.append((name, status.st_size, status.st_mtime_ns))
    return found
