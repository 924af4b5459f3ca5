"""JSON lines as CLIs really print them: with a byte order mark, CRLF, colours, and log lines before, between and after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from llm_gateway import LineSplitter, parse_line, plausible_usd, token_count

__all__ = ["JsonLines", "as_dict", "as_dicts", "as_text", "plausible_usd", "token_count"]

#: A log that quotes an event is no event.
_LOG = re.compile(r"\b(?:trace|debug|info|warn|warning|error|verbose)\b", re.IGNORECASE)
_MOST_PREFIX = 200
_MOST_ON_A_LINE = 100
#: The accelerated parser holds up all other threads: what is longer is parsed by `parse_line` alone.
_LONGEST_SEARCHED = 64 * 1024
_decode = json.JSONDecoder().raw_decode


class JsonLines:
    """Feed it bytes, get the objects that they hold, one a line as a rule. Never raises; linear in time; bounded in memory.

    `LineSplitter` takes byte order marks, CRLF and colours away.

    :param irrelevant: matches the beginning of lines that tell the reader nothing (such as what a tool answered): they are passed
        over without being parsed, which is many times faster. It may miss some; it must match none that counts.
    """

    def __init__(self, irrelevant: re.Pattern[bytes] | None = None) -> None:
        self._lines = LineSplitter()
        self._passes_over = irrelevant.match if irrelevant else None

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Take the next bytes; yield every object that they complete."""
        passes_over = self._passes_over
        for line in self._lines.feed(data):
            # Where a line break is missing, another object stands behind; in a string these bytes cannot be.
            if passes_over is None or not passes_over(line) or b'}{"' in line:
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
            value = parse_line(line)
        except ValueError:
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
    yield from _searched(words, at) if len(line) <= _LONGEST_SEARCHED else _one_of(words, at)


def _searched(words: str, at: int) -> Iterator[dict[str, Any]]:
    """The objects that follow each other from a place on."""
    for _ in range(_MOST_ON_A_LINE):
        try:
            value, end = _decode(words, at)
        except (ValueError, RecursionError):
            return
        yield value
        at = end + len(words[end : end + _MOST_PREFIX]) - len(words[end : end + _MOST_PREFIX].lstrip())
        if words[at : at + 1] != "{":
            return


def _one_of(words: str, at: int) -> Iterator[dict[str, Any]]:
    """The object from a place to the end, of a line that is too long to be searched."""
    with suppress(ValueError):
        yield parse_line(words[at:].encode())


def as_text(value: Any) -> str:
    """A string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def as_dict(value: Any) -> dict[str, Any]:
    """An object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
