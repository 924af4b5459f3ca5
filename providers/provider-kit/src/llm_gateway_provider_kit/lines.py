"""JSON lines as CLIs really print them: with a byte order mark, CRLF, colours, and log lines before, between and after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from llm_gateway import LineSplitter, plausible_usd, token_count

__all__ = ["JsonLines", "as_dict", "as_dicts", "as_text", "plausible_usd", "token_count"]

#: A log that quotes an event is no event.
_LOG = re.compile(r"\b(?:trace|debug|info|warn|warning|error|verbose)\b", re.IGNORECASE)
_MOST_PREFIX = 200
_MOST_ON_A_LINE = 100
_decode = json.JSONDecoder().raw_decode


class JsonLines:
    """Feed it bytes, get the objects that they hold, one a line as a rule. Never raises; linear in time; bounded in memory.

    `LineSplitter` takes byte order marks, CRLF and colours away.
    """

    def __init__(self) -> None:
        self._lines = LineSplitter()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Take the next bytes; yield every object that they complete."""
        for line in self._lines.feed(data):
            yield from objects_of(line)

    def gap(self) -> None:
        """Bytes are missing here."""
        self._lines.gap()

    def rest(self) -> Iterator[dict[str, Any]]:
        """What the last line holds, when it has no end."""
        return objects_of(self._lines.rest())


def objects_of(line: bytes) -> Iterator[dict[str, Any]]:
    """The objects of one line. Words before and behind them are left out, but for a log line, which is left out whole."""
    if line[:1] == b"{":
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            pass
        else:
            yield value  # it begins with a brace, so it is an object
            return
    if b"{" not in line:
        return
    words = line.decode(errors="replace")
    at = words.find("{")
    if at < 0 or at > _MOST_PREFIX or _LOG.search(words, 0, at):
        return
    for _ in range(_MOST_ON_A_LINE):
        try:
            value, end = _decode(words, at)
        except (ValueError, RecursionError):
            return
        yield value
        at = end + len(words[end : end + _MOST_PREFIX]) - len(words[end : end + _MOST_PREFIX].lstrip())
        if words[at : at + 1] != "{":
            return


def as_text(value: Any) -> str:
    """A string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def as_dict(value: Any) -> dict[str, Any]:
    """An object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
