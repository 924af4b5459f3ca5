"""Watch the files of a run with watchfiles (FSEvents on macOS). A check once a second finds what the system did not report."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

import anyio
import anyio.from_thread
import anyio.lowlevel
from watchfiles._rust_notify import RustNotify

from .watch import WATCHED, read_sizes

_CHECK_S = 1.0
#: How long changes are collected, and how often the thread checks whether it should end, in milliseconds.
_DEBOUNCE_MS, _STEP_MS, _TIMEOUT_MS = 30, 10, 1000


class PortableWatcher:
    """Makes watches for one engine. Used from one event loop."""

    def __init__(self) -> None:
        self._watches: set[PortableWatch] = set()

    def watch(self, path: str) -> PortableWatch:
        """Watch a job folder from now on. The caller closes the watch."""
        watch = PortableWatch(self._watches, path)
        self._watches.add(watch)
        return watch

    def close(self) -> None:
        """End every watch. Idempotent."""
        for watch in list(self._watches):
            watch.close()


class PortableWatch:
    """A watch on one job folder, with a thread of its own that waits for the system's reports."""

    def __init__(self, watches: set[PortableWatch], path: str) -> None:
        self._watches, self._path = watches, path
        self._token = anyio.lowlevel.current_token()
        self._event = anyio.Event()
        self._stop = threading.Event()
        self._seen = read_sizes(path)
        with suppress(OSError, RuntimeError):  # no such folder, or no more watches or threads: the checks remain
            notify = RustNotify([path], False, False, 0, False, True)
            threading.Thread(target=self._follow, args=(notify,), name="watch a job", daemon=True).start()

    async def changed(self) -> None:
        """Wait until something changed since the last time."""
        while True:
            with anyio.move_on_after(_CHECK_S):
                await self._event.wait()
            self._event = anyio.Event()
            before = self._seen
            self._seen = read_sizes(self._path)
            if before != self._seen:
                return

    def close(self) -> None:
        """Stop watching. Idempotent."""
        self._stop.set()
        self._watches.discard(self)

    def _follow(self, notify: RustNotify) -> None:
        with notify:
            while not self._stop.is_set():
                changes = notify.watch(_DEBOUNCE_MS, _STEP_MS, _TIMEOUT_MS, self._stop)
                if isinstance(changes, set) and any(_is_watched(path) for _, path in changes):
                    with suppress(RuntimeError):  # the event loop has ended
                        anyio.from_thread.run_sync(self._wake, token=self._token)

    def _wake(self) -> None:
        self._event.set()


def _is_watched(path: str) -> bool:
    return os.path.basename(path) in WATCHED
