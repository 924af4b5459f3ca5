"""Handle stdin, stdout and stderr that are closed or cannot be written: no traceback, and a conventional exit code.

If the reader of a pipe has closed it, the command exits silently with 141, like after SIGPIPE. Other failures to write to stdout
are reported on stderr, with exit code 1. Text that cannot be written to stderr is dropped. A closed stdin reads as empty.
"""

from __future__ import annotations

import errno
import io
import os
import sys

from llm_gateway.cli.exits import Exit

TYPE_CHECKING = False  # without importing `typing`: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from typing import Any


class _Guarded(io.FileIO):
    """A descriptor that remembers the first failed write."""

    failure: OSError | None = None
    quiet = False  #: drop data that cannot be written

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
            sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # open until the process exits
        if sys.stdout is sys.__stdout__:  # code in this process may have replaced it
            self._out, sys.stdout = _guard(1, buffered=1 not in closed)
        if sys.stderr is sys.__stderr__:
            err, sys.stderr = _guard(2, buffered=False)
            err.quiet = True

    @property
    def broken(self) -> bool:
        """Whether a write to stdout has failed."""
        return self._out is not None and self._out.failure is not None

    def end(self, code: int) -> int:
        """Flush stdout and return the exit code."""
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            if not self.broken:
                raise
        if self._out is None or self._out.failure is None:
            return code
        failure = self._out.failure
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)  # the interpreter flushes stdout again at exit, which must not fail
        os.close(null)
        if failure.errno == errno.EPIPE:
            return Exit.PIPE
        sys.stderr.write(f"llm-gateway: cannot write to stdout: {failure.strerror}\n")
        return Exit.FAILED


def _fill_closed() -> set[int]:
    """Open the closed descriptors among 0 to 2, so that no later file gets these numbers. Returns their numbers."""
    closed = {number for number in (0, 1, 2) if not _is_open(number)}
    for number in sorted(closed):
        mode = os.O_RDWR if number == 2 else os.O_RDONLY  # read-only, because writing to a closed stdout must fail
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
    original = sys.stdout if number == 1 else sys.stderr
    encoding = getattr(original, "encoding", None) or "utf-8"
    errors = getattr(original, "errors", None) or "strict"
    if errors == "strict":  # a lone surrogate in a text must not make the command fail
        errors = "backslashreplace"
    raw = _Guarded(number, "w", closefd=False)
    line_buffering = not buffered or raw.isatty()
    buffer = io.BufferedWriter(raw)
    if raw.isatty() or os.environ.get("GITHUB_ACTIONS"):
        from llm_gateway.terminal import SafeText  # here: a program's first answer does not wait for it

        return raw, SafeText(buffer, encoding, errors, line_buffering=line_buffering)
    return raw, io.TextIOWrapper(buffer, encoding, errors, line_buffering=line_buffering)
