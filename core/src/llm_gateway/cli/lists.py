"""How lists show ids, times and costs, and how a table fits a terminal. Imports little, because `jobs list` imports it."""

from __future__ import annotations

import os
from datetime import datetime, timezone

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

_NARROWEST = 10  #: columns that a shortened column keeps
_STEPS = (("min", 60), ("h", 3600), ("day", 86_400))
_MOST_DAYS = 30


def age_text(stamp: str | None, now: datetime | None = None) -> str | None:
    """Return how long ago a time of the wire was, such as `2 min ago`; after 30 days its date. None: there is no time.

    :param now: aware; None: the clock.
    """
    if stamp is None:
        return None
    moment = _moment(stamp)
    seconds = int(((now or datetime.now(timezone.utc)) - moment).total_seconds())
    if seconds < 60:
        return f"{max(0, seconds)} s ago"
    if seconds >= _MOST_DAYS * 86_400:
        return f"{moment.astimezone():%Y-%m-%d}"
    unit, size = next(step for step in reversed(_STEPS) if seconds >= step[1])
    number = seconds // size
    return f"{number} {unit}{'s' if unit == 'day' and number > 1 else ''} ago"


def local_time(stamp: str | None) -> str | None:
    """Return a time of the wire in the local zone, with the zone, such as `2026-11-30 14:05:09 CET`. None: there is no time."""
    return None if stamp is None else f"{_moment(stamp).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def cost_text(usd: float | None) -> str | None:
    """Return an amount of US dollars in a few characters. None: it is not known, which is not nothing."""
    if usd is None:
        return None
    if 0 < usd < 0.0001:
        return "<$0.0001"
    return f"${usd:.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def short_ids(ids: Iterable[str], least: int) -> list[str]:
    """Return beginnings of these ids that differ from each other.

    :param least: characters that each has at least.
    """
    given = list(ids)
    different = set(given)
    for length in range(least, max(map(len, given), default=least)):
        if len({one[:length] for one in different}) == len(different):
            return [one[:length] for one in given]
    return given


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata  # few texts need it

    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def clipped(text: str, width: int) -> str:
    """Return a text that takes at most `width` columns; `…` marks what is left out."""
    if cell_width(text) <= width:
        return text
    taken, used = [], 1
    for one in text:
        used += cell_width(one)
        if used > width:
            break
        taken.append(one)
    return "".join(taken).rstrip() + "…"


def padded(text: str, width: int) -> str:
    """Return a text with spaces up to a width in columns."""
    return text + " " * (width - cell_width(text))


def fitted(cells: Sequence[Sequence[str]], cut: int, width: int) -> list[list[str]]:
    """Return rows of a table in which a column is shortened so that each line fits.

    :param cut: the number of that column.
    :param width: columns of the terminal.
    """
    others = sum(max(map(cell_width, column)) + 2 for n, column in enumerate(zip(*cells, strict=True)) if n != cut)
    room = max(_NARROWEST, width - others)
    return [[clipped(cell, room) if n == cut else cell for n, cell in enumerate(row)] for row in cells]


def columns_of(stream: TextIO) -> int | None:
    """Return the width of the terminal; None: the stream is not a terminal, or its width is not known."""
    if not stream.isatty():
        return None
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
        return columns if columns > 0 else os.get_terminal_size(stream.fileno()).columns or None
    except (ValueError, OSError):
        return None


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))
