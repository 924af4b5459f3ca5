"""The command's three streams, when they are closed, full, or nobody reads them any more. No traceback, a conventional exit code.

A pipe whose reader has left ends the command as SIGPIPE would (141), silently. Other failures to write to stdout are told on
stderr, exit code 1. What cannot be written to stderr is dropped. A stdin that is closed is empty.
"""

from __future__ import annotations

import errno
import io
import os
import sys

from llm_gateway.cli.exits import Exit

TYPE_CHECKING = False  # `typing` is not loaded for it: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from typing import Any


class _Guarded(io.FileIO):
    """A descriptor that remembers the failure to write to it."""

    failure: OSError | None = None
    quiet = False  #: what cannot be written is dropped

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if self.quiet:
                return len(data)
            self.failure = self.failure or error
            raise


class Streams:
    """The streams of one call of the command."""

    def __init__(self) -> None:
        closed = _fill_closed()
        self._out: _Guarded | None = None
        if sys.__stdin__ is None:
            sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # for the process's life
        if sys.stdout is sys.__stdout__:  # a caller in this process may have put another in its place
            self._out, sys.stdout = _guard(1, buffered=1 not in closed)
        if sys.stderr is sys.__stderr__:
            err, sys.stderr = _guard(2, buffered=False)
            err.quiet = True

    @property
    def broken(self) -> bool:
        """Whether something could not be written to stdout."""
        return self._out is not None and self._out.failure is not None

    def end(self, code: int) -> int:
        """Write what is left; the exit code."""
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            if not self.broken:
                raise
        if self._out is None or self._out.failure is None:
            return code
        failure = self._out.failure
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)  # the interpreter writes the rest once more as it ends
        os.close(null)
        if failure.errno == errno.EPIPE:
            return Exit.PIPE
        sys.stderr.write(f"llm-gateway: stdout cannot be written: {failure.strerror}\n")
        return Exit.FAILED


def _fill_closed() -> set[int]:
    """Open what is closed of the descriptors 0 to 2, so that no file opened later gets their numbers."""
    closed = {number for number in (0, 1, 2) if not _is_open(number)}
    for number in sorted(closed):
        mode = os.O_RDWR if number == 2 else os.O_RDONLY  # writing to a stdout that is closed must fail
        opened = os.open(os.devnull, mode)
        os.set_inheritable(opened, True)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
    return closed


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _guard(number: int, *, buffered: bool) -> tuple[_Guarded, io.TextIOWrapper]:
    standing = sys.stdout if number == 1 else sys.stderr
    encoding = getattr(standing, "encoding", None) or "utf-8"
    errors = getattr(standing, "errors", None) or "strict"
    if errors == "strict":  # half a character in somebody's text is no reason to fail
        errors = "backslashreplace"
    raw = _Guarded(number, "w", closefd=False)
    line_buffering = not buffered or raw.isatty()
    buffer = io.BufferedWriter(raw)
    if raw.isatty() or os.environ.get("GITHUB_ACTIONS"):
        from llm_gateway.terminal import SafeText  # here: a program's first answer does not wait for it

        return raw, SafeText(buffer, encoding, errors, line_buffering=line_buffering)
    return raw, io.TextIOWrapper(buffer, encoding, errors, line_buffering=line_buffering)
