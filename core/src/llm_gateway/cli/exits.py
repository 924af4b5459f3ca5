"""What the command's exit code says. The table of the manual (docs/reference/command-line.md) is made of these."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """An exit code."""

    OK = 0  #: done, and it went well
    FAILED = 1  #: the job, or what was asked for, failed
    USAGE = 2  #: wrong usage, or settings that cannot be used; nothing was started
    UNFINISHED = 3  #: not over yet: a wait whose time ran out, a job that goes on
    PIPE = 141  #: whoever read the output has left (`| head`)
    INTERRUPTED = 130  #: Ctrl-C or SIGTERM; jobs that were started go on
