"""Cut a byte stream into lines, whatever the pieces it comes in."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: A longer line is dropped whole: nothing that a CLI prints as one event is that long, and memory is bounded.
MAX_LINE_BYTES = 16 * 1024 * 1024


_BOM = b"\xef\xbb\xbf"
#: What colours words or names a terminal's window. Inside JSON such bytes cannot stand.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]{0,16}[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))")


class LineSplitter:
    """Feed it bytes, get complete lines as bytes: without their end (LF or CRLF), a byte order mark before them, or colours.

    Linear in time, bounded in memory.
    """

    def __init__(self, max_line: int = MAX_LINE_BYTES) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._skipping = False
        self._max_line = max_line
        #: How many lines were dropped for their length, or lost half of themselves in a gap.
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; yield every line that they complete."""
        *ends, beginning = data.split(b"\n")
        for end in ends:
            self._hold(end)
            if self._skipping:
                self._skipping = False
            else:
                yield self.rest()
        self._hold(beginning)

    def gap(self) -> None:
        """Bytes are missing: forget the half line before them, and the one after them."""
        self.dropped += 0 if self._skipping else 1
        self.rest()
        self._skipping = True

    def rest(self) -> bytes:
        """The last line when it has no end; b"" if there is none."""
        line = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        if b"\x1b" in line:
            line = _ESCAPES.sub(b"", line)
        return line.removesuffix(b"\r").removeprefix(_BOM)

    def _hold(self, piece: bytes) -> None:
        if piece and not self._skipping:
            self._parts.append(piece)
            self._held += len(piece)
            if self._held > self._max_line:
                self.gap()
