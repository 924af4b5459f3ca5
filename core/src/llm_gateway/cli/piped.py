"""Text that is piped into a command beside its words."""

from __future__ import annotations

import os
import select
import stat
import sys

from llm_gateway.cli.failures import UsageError

#: More than any prompt may have, so that the gateway can say that it is too long.
MOST_BYTES = 11_000_000
#: How long the first byte may take. A program that calls us may have left us a pipe into which nobody ever writes.
_FIRST_BYTE_S = 30.0
_NOTICE_S = 3.0


def all_of_stdin() -> str:
    """Read stdin to its end. Raises UsageError for what is not UTF-8. Blocking."""
    data = sys.stdin.buffer.read(MOST_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("the text on stdin is not UTF-8") from None


def piped_text() -> str:
    """Read what was piped in, or redirected from a file; empty on a terminal, for /dev/null, or when nothing comes. Blocking.

    Raises UsageError for what is not UTF-8.
    """
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode):
        return all_of_stdin()
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return ""
    return all_of_stdin() if _begins(descriptor) else ""


def _begins(descriptor: int) -> bool:
    """Whether a first byte, or the end, comes in time."""
    if select.select([descriptor], [], [], _NOTICE_S)[0]:
        return True
    sys.stderr.write("waiting for text on stdin; if there is none, call this with </dev/null\n")
    sys.stderr.flush()
    if select.select([descriptor], [], [], _FIRST_BYTE_S - _NOTICE_S)[0]:
        return True
    sys.stderr.write(f"nothing came on stdin within {_FIRST_BYTE_S:.0f} s: going on without it\n")
    return False
