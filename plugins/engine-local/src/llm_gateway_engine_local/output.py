"""The output files of a run: how fast they grow, when they last grew, and the hole in the middle of one that is too long.

Standard library only.
"""

from __future__ import annotations

import os
import time

from . import linux
from .folder import STDERR, STDOUT, Folder

SOONEST_S, LATEST_S = 0.05, 1.0


class Stream:
    """One output file."""

    def __init__(self, folder: Folder, name: str, limit: int) -> None:
        self.fd = folder.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.name, self.limit = name, limit
        self.size = 0
        self.hole: tuple[int, int] | None = None
        self._block = max(os.fstat(self.fd).st_blksize, 1)

    def look(self) -> bool:
        """Measure, and keep the file within its limit; False: it cannot be kept there."""
        self.size = os.fstat(self.fd).st_size
        if self.size <= self.limit:
            return True
        half = self.limit // 2
        start = -(-half // self._block) * self._block
        end = (self.size - half) // self._block * self._block
        done = self.hole[1] if self.hole else start
        if end > done:
            if not linux.punch(self.fd, done, end):
                return False
            self.hole = (start, end)
        return True


class Output:
    """Both streams of a run."""

    def __init__(self, folder: Folder, limit: int) -> None:
        self.stdout, self.stderr = (Stream(folder, name, limit) for name in (STDOUT, STDERR))
        self.streams = (self.stdout, self.stderr)
        self.fits = True
        self.next_look = self._looked = self.grown_at = time.monotonic()
        self.next_look += SOONEST_S
        self._clock_offset = time.time() - self._looked

    def look(self) -> None:
        """Measure both, and say when to look again: the sooner, the nearer and faster they come to the limit."""
        now = time.monotonic()
        before = [stream.size for stream in self.streams]
        for stream in self.streams:
            if not stream.look():
                self.fits = False
        elapsed, pause = max(now - self._looked, 0.001), LATEST_S
        for stream, size in zip(self.streams, before, strict=True):
            room = max(stream.limit // 2 if stream.hole else stream.limit - stream.size, 0)
            if (rate := (stream.size - size) / elapsed) > 0:
                pause = min(pause, room / rate / 2)
        if before != [stream.size for stream in self.streams]:
            self.grown_at = self._last_written(now)
        self._looked, self.next_look = now, now + max(pause, SOONEST_S)

    def _last_written(self, now: float) -> float:
        """When the files last grew, by the monotonic clock: by their times, unless the wall clock jumped meanwhile."""
        offset = time.time() - now
        jumped, self._clock_offset = abs(offset - self._clock_offset) > 1, offset
        if jumped:
            return now
        written = max(os.fstat(stream.fd).st_mtime for stream in self.streams) - offset
        return min(max(written, self.grown_at), now)

    def finish(self) -> str:
        """Trim for the last time and have the disk keep what there is; what went wrong with that."""
        self.look()
        try:
            for stream in self.streams:
                if stream.size:
                    os.fsync(stream.fd)
        except OSError as error:
            return f"The output may not be safe on the disk: {error}."
        return ""
