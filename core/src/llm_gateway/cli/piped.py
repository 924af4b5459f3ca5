"""Read text that is piped into a command."""

from __future__ import annotations

import os
import select
import stat
import sys

from llm_gateway.cli.exits import UsageError

#: More than the limit of a prompt, so that a longer prompt gets the gateway's error message.
MOST_BYTES = 11_000_000
#: How long to wait for the first byte. The calling program may have passed a pipe to which no process writes.
_FIRST_BYTE_S = 30.0
_NOTICE_S = 3.0


def all_of_stdin() -> str:
    """Read stdin to its end. Raises UsageError if it is not UTF-8. Blocking."""
    data = sys.stdin.buffer.read(MOST_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("the text on stdin is not UTF-8") from None


def piped_text() -> str:
    """Read text from a pipe or a redirected file. Empty for a terminal, for /dev/null, or if no text comes in time. Blocking.

    Raises UsageError if the text is not UTF-8.
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
    """Return whether the first byte or the end comes in time."""
    if select.select([descriptor], [], [], _NOTICE_S)[0]:
        return True
    sys.stderr.write("waiting for text on stdin; if there is none, add </dev/null to the command\n")
    sys.stderr.flush()
    if select.select([descriptor], [], [], _FIRST_BYTE_S - _NOTICE_S)[0]:
        return True
    sys.stderr.write(f"no text on stdin within {_FIRST_BYTE_S:.0f} s: continuing without it\n")
    return False
