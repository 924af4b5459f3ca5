"""Text of others on a terminal: without what moves a cursor, hides or reorders words, or tells a terminal or a CI log to do something."""

from __future__ import annotations

import json
import os
import re
from typing import Any, TextIO

#: Sequences as a whole. A string without an end loses only its beginning: it must not take what follows with it.
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,2000}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\`-~]"
)
#: C0 but for tab and newline, DEL, C1; marks that reorder or hide text; the separators that some terminals take for a new line.
_MARKS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f"
_CONTROLS = re.compile(rf"{_ESCAPES}|[{_MARKS}]")
_IN_JSON = re.compile(rf"[{_MARKS}]")
#: What the command itself writes: a few colours.
_OURS = re.compile(r"\x1b\[(?:0|1|2|31|32|33)m")
_CI_COMMAND = re.compile(r"^(\s*)(::|##\[)", re.MULTILINE)


def without_controls(text: str, instead: str = "") -> str:
    """Return a text without control characters, escape sequences and marks that reorder text."""
    return _CONTROLS.sub(instead, text)


def for_stream(text: str, stream: TextIO) -> str:
    """Return words of others as they may be written: unchanged to a program, without controls to a terminal.

    In a log of GitHub Actions a line that would be a command to the runner is written so that it is none.
    """
    if stream.isatty():
        text = without_controls(text)
    return without_ci_commands(text) if os.environ.get("GITHUB_ACTIONS") else text


def without_ci_commands(text: str) -> str:
    """Return a text in which no line begins with `::` or `##[`, which a CI runner would obey."""
    return _CI_COMMAND.sub(lambda found: f"{found[1]}{found[2][0]} {found[2][1:]}", text)


def line_for(text: str, stream: TextIO) -> str:
    """Return what the command writes, with its own colours and no other sequences, on a terminal."""
    if not stream.isatty():
        return text
    pieces, at = [], 0
    for colour in _OURS.finditer(text):
        pieces += [without_controls(text[at : colour.start()]), colour[0]]
        at = colour.end()
    return "".join([*pieces, without_controls(text[at:])])


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Return JSON in which every such character is written as an escape."""
    return escaped_json(json.dumps(value, indent=indent, ensure_ascii=False))


def escaped_json(text: str) -> str:
    """Return the same JSON document, with such characters, which stand in its strings alone, as escapes."""
    return _IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)
