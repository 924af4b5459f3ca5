"""Read what Gemini CLI writes to standard error when a request finally fails.

This is a line "Error when talking to Gemini API Full report available at: <file> <Type>: <message>" and the details of the
error, up to a closing brace. Retried attempts have other lines. Exit codes above 143 are the service's HTTP status modulo 256.
They look like signals; the line shows the difference.
"""

from __future__ import annotations

import re

_FATAL = re.compile(r"Error when talking to Gemini API(?: Full report available at: \S+)?\s*(.*)")
_DELAY = re.compile(r"retryDelayMs: (\d{1,12}(?:\.\d{1,6})?)")
_MOST_LINES = 20
_STATUSES = frozenset({400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 499, *range(500, 512)})


class LastWords:
    """Collects the last final error from lines of standard error."""

    def __init__(self) -> None:
        self.message = ""  #: the message of the last final error
        self.delay_s: float | None = None  #: the waiting time that the service requests
        self._follow = 0  # number of following lines that may belong to the error

    def take(self, line: str) -> None:
        """Process the next line."""
        fatal = _FATAL.match(line)
        if fatal:
            self.message, self.delay_s, self._follow = fatal[1].strip(), None, _MOST_LINES
        elif self._follow:
            self._follow -= 1
            delay = _DELAY.search(line)
            if delay:
                self.delay_s = float(delay[1]) / 1000
            elif self._continues(line):
                self.message = f"{self.message}\n{line}".strip()
            if line.startswith("}"):
                self._follow = 0

    def _continues(self, line: str) -> bool:
        """Whether the line continues the message: up to two lines, before the details of the error begin."""
        return self._follow > _MOST_LINES - 3 and not line[:1].isspace() and not line.startswith(("}", "{"))


def exit_status(exit_code: int | None) -> int | None:
    """Return the HTTP status that an exit code encodes."""
    status = (exit_code or 0) + 256
    return status if status in _STATUSES else None
