"""The exit codes of the command. The manual (docs/reference/command-line.md) lists the same codes."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """An exit code."""

    OK = 0  #: success
    FAILED = 1  #: the job or the command failed
    USAGE = 2  #: wrong usage or invalid settings; nothing was started
    UNFINISHED = 3  #: not finished: the time of a wait is over, or a job still runs
    PIPE = 141  #: the reader of the output has closed the pipe (`| head`)
    INTERRUPTED = 130  #: Ctrl-C or SIGTERM; started jobs continue
