"""Output: plain when piped, a little colour when a person looks, JSON when asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from llm_gateway import terminal
from llm_gateway.terminal import coloured, display, for_stream, json_text, line_for

_STYLES = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33"}
_GOOD, _BAD = {"completed", "loaded", "ok"}, {"failed", "interrupted", "broken"}


def looked_at(stream: TextIO) -> bool:
    """Whether a person sees this stream."""
    return stream.isatty()


def styled(text: str, style: str, stream: TextIO) -> str:
    """Colour, where a person looks and has not said NO_COLOR."""
    if not looked_at(stream) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return coloured(text, _STYLES[style])


def state(word: str, stream: TextIO) -> str:
    """A state, in its colour."""
    style = "green" if word in _GOOD else "red" if word in _BAD else "yellow"
    return styled(word, style, stream)


def shown(text: str, stream: TextIO) -> str:
    """Words of others: as they are to a program, without control characters to a terminal. Text from a model is data."""
    return for_stream(text, stream)


def one_line(text: str, limit: int = 200) -> str:
    """Words of others on one line."""
    return terminal.one_line(text, limit)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line; half a surrogate pair in somebody's text is no reason to fail."""
    out = stream or sys.stdout
    text = line_for(text, out)
    line = text if text.endswith("\n") else f"{text}\n"
    display(out).write(line.encode(out.encoding or "utf-8", "replace").decode(out.encoding or "utf-8"))
    out.flush()


def say_json(value: Any) -> None:
    """Print JSON."""
    say(json_text(value))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, state_column: int | None = None) -> None:
    """Print a table; the last column is as wide as it likes."""
    if not rows:
        return
    cells = [list(head), *([one_line(str(cell)) if cell is not None else "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for number, row in enumerate(cells):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if number == 0:
            say(styled("  ".join(padded).rstrip(), "dim", sys.stdout))
            continue
        if state_column is not None:
            padded[state_column] = padded[state_column].replace(
                row[state_column], state(row[state_column], sys.stdout), 1
            )
        say("  ".join(padded).rstrip())
