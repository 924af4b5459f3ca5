"""Split a byte stream into lines, however it is fragmented, and parse a line without blocking other threads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import JSONArray, JSONObject  # type: ignore[attr-defined]  # the parser's own parts, which have no stubs
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any

#: A longer line is dropped completely: no CLI prints an event of that size, and memory must be limited.
MAX_LINE_BYTES = 16 * 1024 * 1024

#: The fast parser blocks other threads until it has finished. A line up to this size takes it at most a few milliseconds.
_FAST_BYTES = 64 * 1024
#: A longer line may contain this many values. Answers and tool calls have a few long strings; a hundred thousand small values
#: would take seconds and hundreds of megabytes.
MAX_VALUES = 30_000


def parse_line(line: bytes) -> Any:
    """Parse one line of JSON that an agent printed. Raises ValueError, and nothing else, for one that is not JSON or too nested.

    A line of more than 64 KiB is parsed by Python code, which lets other threads run, and may contain `MAX_VALUES` values. Its
    strings are still read at full speed.
    """
    try:
        if len(line) <= _FAST_BYTES:
            return json.loads(line)
        return _PatientDecoder().decode(line.decode(json.detect_encoding(line), "surrogatepass"))
    except RecursionError as error:
        raise ValueError("the line is nested too deeply") from error


class _PatientDecoder(json.JSONDecoder):
    """The standard parser without its accelerated loop, and with a limit on the number of values."""

    def __init__(self) -> None:
        super().__init__()
        self._left = MAX_VALUES
        self.scan_once = self._counted
        self.parse_array = lambda at, _: JSONArray(at, self._counted)
        self.parse_object = lambda at, strict, _, hook, pairs, memo: JSONObject(
            at, strict, self._counted, hook, pairs, memo
        )
        self._scan = py_make_scanner(self)

    def _counted(self, text: str, index: int) -> tuple[Any, int]:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"the line holds more than {MAX_VALUES} values")
        found: tuple[Any, int] = self._scan(text, index)
        return found


_BOM = b"\xef\xbb\xbf"
#: Escape sequences for colours and window titles. JSON cannot contain these bytes.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]{0,16}[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))")


class LineSplitter:
    """Takes bytes and returns complete lines as bytes: without line ends (LF or CRLF), byte order marks and colours.

    Linear in time, bounded in memory.
    """

    def __init__(self, max_line: int = MAX_LINE_BYTES) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._skipping = False
        self._max_line = max_line
        #: How many lines were dropped because of their length, or were incomplete because of a gap.
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Process the next bytes; yield every line that is now complete."""
        *ends, beginning = data.split(b"\n")
        for number, end in enumerate(ends):
            if number and len(end) <= self._max_line:  # complete in this piece, as most lines are
                yield _plain(end)
                continue
            self._hold(end)
            if self._skipping:
                self._skipping = False
            else:
                yield self.rest()
        self._hold(beginning)

    def gap(self) -> None:
        """Bytes are missing: discard the partial line before them, and the one after them."""
        self.dropped += 0 if self._skipping else 1
        self.rest()
        self._skipping = True

    def rest(self) -> bytes:
        """The last line if it has no line end; b"" if there is none."""
        line = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        return _plain(line)

    def _hold(self, piece: bytes) -> None:
        if piece and not self._skipping:
            self._parts.append(piece)
            self._held += len(piece)
            if self._held > self._max_line:
                self.gap()


def _plain(line: bytes) -> bytes:
    if b"\x1b" in line:
        line = _ESCAPES.sub(b"", line)
    return line.removesuffix(b"\r").removeprefix(_BOM)
