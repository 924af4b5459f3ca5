"""Read JSON lines with the noise that CLIs print: byte order marks, CRLF, colours, and log lines between the objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from llm_gateway import LineSplitter, parse_line, plausible_usd, token_count

__all__ = ["JsonLines", "as_dict", "as_dicts", "as_text", "plausible_usd", "token_count"]

#: A log line that quotes an event is not an event.
_LOG = re.compile(r"\b(?:trace|debug|info|warn|warning|error|verbose)\b", re.IGNORECASE)
_MOST_PREFIX = 200
_MOST_ON_A_LINE = 100
#: The accelerated JSON parser blocks all other threads, so longer lines are parsed by `parse_line` only.
_LONGEST_SEARCHED = 64 * 1024
_decode = json.JSONDecoder().raw_decode


class JsonLines:
    """Split bytes into JSON objects, usually one a line. Never raises, needs linear time and bounded memory.

    `LineSplitter` removes byte order marks, CRLF and colours.

    :param irrelevant: matches the beginning of lines that the reader does not need, such as the output of tools. They are
        skipped without being parsed, which is many times faster. It may miss some lines, but must not match a needed one.
    """

    def __init__(self, irrelevant: re.Pattern[bytes] | None = None) -> None:
        self._lines = LineSplitter()
        self._is_irrelevant = irrelevant.match if irrelevant else None

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Process the next bytes; yield every object that they complete."""
        is_irrelevant = self._is_irrelevant
        for line in self._lines.feed(data):
            # If a line break is missing, another object follows. Inside a JSON string these bytes cannot occur.
            if is_irrelevant is None or not is_irrelevant(line) or b'}{"' in line:
                yield from objects_of(line)

    def gap(self) -> None:
        """Note that bytes are missing at this position."""
        self._lines.gap()

    def rest(self) -> Iterator[dict[str, Any]]:
        """Yield the objects of a last line that has no line break."""
        return objects_of(self._lines.rest())


def objects_of(line: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects of one line. Text before and after them is skipped; a log line yields nothing."""
    if line[:1] == b"{":
        try:
            value = parse_line(line)
        except ValueError:
            pass
        else:
            yield value  # the line begins with a brace, so the value is an object
            return
    if b"{" not in line:
        return
    text = line.decode(errors="replace")
    start = text.find("{")
    if start < 0 or start > _MOST_PREFIX or _LOG.search(text, 0, start):
        return
    if len(line) <= _LONGEST_SEARCHED:
        yield from _consecutive_objects(text, start)
    else:
        yield from _single_object(text, start)


def _consecutive_objects(text: str, start: int) -> Iterator[dict[str, Any]]:
    """Yield the objects that follow each other from a position."""
    for _ in range(_MOST_ON_A_LINE):
        try:
            value, end = _decode(text, start)
        except (ValueError, RecursionError):
            return
        yield value
        following = text[end : end + _MOST_PREFIX]
        start = end + len(following) - len(following.lstrip())
        if text[start : start + 1] != "{":
            return


def _single_object(text: str, start: int) -> Iterator[dict[str, Any]]:
    """Yield the object from a position to the end of a line that is too long to search."""
    with suppress(ValueError):
        yield parse_line(text[start:].encode())


def as_text(value: Any) -> str:
    """Return the string, or "" for any other value."""
    return value if isinstance(value, str) else ""


def as_dict(value: Any) -> dict[str, Any]:
    """Return the object, or an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; an empty list for any other value."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]
