"""Output: plain text for pipes, some colour for terminals, JSON on request."""

from __future__ import annotations

import os
import sys

from llm_gateway import terminal
from llm_gateway.cli.lists import cell_width, clipped, columns_of, fitted, padded
from llm_gateway.terminal import coloured, display, for_stream, json_text, line_for

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TextIO

_STYLES = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33"}
_GOOD, _BAD = {"completed", "loaded", "ok"}, {"failed", "interrupted", "broken"}


def is_terminal(stream: TextIO) -> bool:
    """Return whether the stream is a terminal."""
    return stream.isatty()


def styled(text: str, style: str, stream: TextIO) -> str:
    """Return the text with a style if the stream is a terminal and NO_COLOR is not set."""
    if not is_terminal(stream) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return coloured(text, _STYLES[style])


def styled_state(name: str, stream: TextIO) -> str:
    """Return the name of a state in its colour."""
    style = "yellow"
    if name in _GOOD:
        style = "green"
    elif name in _BAD:
        style = "red"
    return styled(name, style, stream)


def shown(text: str, stream: TextIO) -> str:
    """Return text from an agent or caller, safe for this stream: a terminal gets it without control characters."""
    return for_stream(text, stream)


def one_line(text: str, limit: int = 200) -> str:
    """Return text from an agent or caller on one line, without control characters, cut at `limit` characters."""
    return terminal.one_line(text, limit)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line. Characters that the stream cannot encode, such as lone surrogates, are replaced."""
    out = stream or sys.stdout
    text = line_for(text, out)
    line = text if text.endswith("\n") else f"{text}\n"
    display(out).write(line.encode(out.encoding or "utf-8", "replace").decode(out.encoding or "utf-8"))
    out.flush()


def json_line(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json_text(value, indent=None)


def say_json(value: Any) -> None:
    """Print JSON."""
    say(json_text(value))


def table(
    head: Sequence[str], rows: Sequence[Sequence[Any]], *, state_column: int | None = None, cut: int | None = None
) -> None:
    """Print a table. A cell that is None is shown as `-`.

    :param state_column: the column with states, which get colours.
    :param cut: the column that is shortened so that no line is longer than the terminal is wide; None: lines may be longer.
    """
    if not rows:
        return
    cells = [list(head), *([one_line(str(cell)) if cell is not None else "-" for cell in row] for row in rows)]
    columns = None if cut is None else columns_of(sys.stdout)
    if cut is not None and columns is not None:
        cells = fitted(cells, cut, columns)
    widths = [max(cell_width(row[column]) for row in cells) for column in range(len(head))]
    for number, row in enumerate(cells):
        line = [padded(cell, width) for cell, width in zip(row, widths, strict=True)]
        plain = "  ".join(line).rstrip()
        if columns is not None and cell_width(plain) > columns:  # a very narrow terminal: no room for colours either
            say(clipped(plain, columns))
        elif number == 0:
            say(styled(plain, "dim", sys.stdout))
        else:
            if state_column is not None:
                state = row[state_column]
                line[state_column] = line[state_column].replace(state, styled_state(state, sys.stdout), 1)
            say("  ".join(line).rstrip())
