"""The exit codes of the command, and the error for wrong usage. The manual (docs/reference/command-line.md) lists the same codes."""

from __future__ import annotations

from enum import IntEnum


class UsageError(Exception):
    """The command was used in a wrong way. The message is the correction."""


class Exit(IntEnum):
    """An exit code."""

    OK = 0  #: success
    FAILED = 1  #: the job or the command failed
    USAGE = 2  #: wrong usage or invalid settings; nothing was started
    UNFINISHED = 3  #: not finished: the time of a wait is over, or a job still runs
    NOT_READY = 4  #: no agent is ready: none is installed, or none is logged in
    NO_VERDICT = 5  #: a review without a verdict: too few reviewers gave a valid answer
    PIPE = 141  #: the reader of the output has closed the pipe (`| head`)
    INTERRUPTED = 130  #: Ctrl-C or SIGTERM; started jobs continue

    @classmethod
    def of_status(cls, status: str) -> Exit:
        """Return the exit code for the status of a job, such as `completed`."""
        if status == "completed":
            return cls.OK
        return cls.UNFINISHED if status in ("queued", "running", "deferred") else cls.FAILED
