"""The output files of a run: their size, when they last grew, and the hole in the middle of one that exceeds its limit.

Standard library only.
"""

from __future__ import annotations

import os
import time

from llm_gateway.files import sync_file
from llm_gateway_engine_local.process.holes import punch

from .folder import STDERR, STDOUT, Folder

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class Stream:
    """One output file."""

    def __init__(self, folder: Folder, name: str, limit: int) -> None:
        self.fd = folder.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.name, self.limit = name, limit
        self.size = 0
        self.hole: tuple[int, int] | None = None
        self._block = max(os.fstat(self.fd).st_blksize, 1)

    def measure(self) -> bool:
        """Read the size, and punch a hole if the file exceeds its limit. False: that is not possible."""
        self.size = os.fstat(self.fd).st_size
        if self.size <= self.limit:
            return True
        half = self.limit // 2
        start = -(-half // self._block) * self._block
        end = (self.size - half) // self._block * self._block
        done = self.hole[1] if self.hole else start
        if end > done:
            if not punch(self.fd, done, end):
                return False
            self.hole = (start, end)
        return True


class Output:
    """Both streams of a run."""

    def __init__(self, folder: Folder, limit: int) -> None:
        self.stdout, self.stderr = (Stream(folder, name, limit) for name in (STDOUT, STDERR))
        self.streams = (self.stdout, self.stderr)
        self.fits = True  #: both are within their limits
        self.next_measure = self._measured_at = self.grown_at = time.monotonic()
        self.next_measure += SHORTEST_PAUSE_S
        self._clock_offset = time.time() - self._measured_at

    def measure(self) -> None:
        """Measure both, and set `next_measure`: the sooner, the faster they approach the limit."""
        now = time.monotonic()
        before = [stream.size for stream in self.streams]
        for stream in self.streams:
            if not stream.measure():
                self.fits = False
        elapsed, pause = max(now - self._measured_at, 0.001), LONGEST_PAUSE_S
        for stream, size in zip(self.streams, before, strict=True):
            room = max(stream.limit // 2 if stream.hole else stream.limit - stream.size, 0)
            rate = (stream.size - size) / elapsed
            if rate > 0:
                pause = min(pause, room / rate / 2)
        if before != [stream.size for stream in self.streams]:
            self.grown_at = self._last_written(now)
        self._measured_at, self.next_measure = now, now + max(pause, SHORTEST_PAUSE_S)

    def _last_written(self, now: float) -> float:
        """When the files last grew, on the monotonic clock. Uses their modification times, unless the wall clock jumped meanwhile."""
        offset = time.time() - now
        jumped, self._clock_offset = abs(offset - self._clock_offset) > 1, offset
        if jumped:
            return now
        written = max(os.fstat(stream.fd).st_mtime for stream in self.streams) - offset
        return min(max(written, self.grown_at), now)

    def finish(self) -> str:
        """Measure for the last time and sync the files to the disk. Returns what failed, or an empty string."""
        self.measure()
        try:
            for stream in self.streams:
                if stream.size:
                    sync_file(stream.fd)
        except OSError as error:
            return f"The output may not be on the disk: {error}."
        return ""
