"""Make text from agents and callers safe to print.

Removes what moves the cursor, hides or reorders text, or is a command to a terminal or to a CI log.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, TextIO

#: Complete escape sequences. Of a string sequence without an end, only the first characters are removed, not the text after it.
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,2000}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\`-~]"
)
#: C0 without tab and newline, DEL, C1; characters that reorder or hide text; separators that some terminals show as a new line.
_MARKS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f"
_CONTROLS = re.compile(rf"{_ESCAPES}|[{_MARKS}]")
_IN_JSON = re.compile(rf"[{_MARKS}]")
#: The colour sequences that the command itself writes.
_COLOURS = re.compile(r"\x1b\[(?:0|1|2|31|32|33)m")
_CI_COMMAND = re.compile(r"^(\s*)(::|##\[)", re.MULTILINE)


def without_controls(text: str, instead: str = "") -> str:
    """Return a text without control characters, escape sequences and characters that reorder text."""
    return _CONTROLS.sub(instead, text)


def for_stream(text: str, stream: TextIO) -> str:
    """Return text from an agent or caller, safe for this stream: unchanged for a program, without controls for a terminal.

    In GitHub Actions, a line that the runner would execute as a command is changed so that the runner ignores it.
    """
    if stream.isatty():
        text = without_controls(text)
    return without_ci_commands(text) if os.environ.get("GITHUB_ACTIONS") else text


def without_ci_commands(text: str) -> str:
    """Return a text in which no line starts with `::` or `##[`: a CI runner executes such lines."""
    return _CI_COMMAND.sub(lambda found: f"{found[1]}{found[2][0]} {found[2][1:]}", text)


def line_for(text: str, stream: TextIO) -> str:
    """Return a line of the command's output. For a terminal, its colours stay and all other sequences are removed."""
    if not stream.isatty():
        return text
    pieces, at = [], 0
    for colour in _COLOURS.finditer(text):
        pieces += [without_controls(text[at : colour.start()]), colour[0]]
        at = colour.end()
    return "".join([*pieces, without_controls(text[at:])])


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Return JSON in which control and reordering characters are escaped."""
    return escaped_json(json.dumps(value, indent=indent, ensure_ascii=False))


def escaped_json(text: str) -> str:
    """Return the same JSON document with control and reordering characters escaped. They can occur only inside its strings."""
    return _IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)
