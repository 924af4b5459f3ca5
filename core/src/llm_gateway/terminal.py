"""Make text from agents and callers safe to print.

Removes what moves the cursor, hides or reorders text, or is a command to a terminal or to a CI log.

The command's streams are `SafeText` on a terminal and in a CI log: what is printed, logged or raised is cleaned there.
Output that the command draws itself goes through `display`.
"""

from __future__ import annotations

import io
import json
import os
import re

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from typing import Any, TextIO

#: Complete escape sequences. Of a string sequence without an end, only the first characters are removed, not the text after it.
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,2000}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\`-~]"
)
#: C0 but for tab and newline, DEL, C1; marks that reorder or hide text; the separators that some terminals take for a new line;
#: halves of characters, which stand for raw bytes in names of files.
_MARKS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f"
)
_CONTROLS = re.compile(rf"{_ESCAPES}|[{_MARKS}]")
_IN_JSON = re.compile(rf"[{_MARKS}]")
#: Marks the colours that the command itself writes: text of others cannot know this number. A terminal skips it.
_OWN = str(int.from_bytes(os.urandom(6), "big"))
_OURS = re.compile(rf"\x1b\[{_OWN};([0-9]+)m")
#: What a display that is drawn again and again needs: colours, one line up, erase the line, hide and show the cursor.
_DRAWING = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl]|[0-9]*A|2K)|\r")
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


def one_line(text: str, limit: int | None = None) -> str:
    """Return words of others on one line, without controls; of more than `limit` characters only the beginning."""
    words = " ".join(without_controls(text, " ").split())
    return words if limit is None or len(words) <= limit else f"{words[: limit - 1]}…"


def coloured(text: str, code: str) -> str:
    """Return a text in a colour of the command's own, for `line_for`.

    :param code: the number that selects it, such as "31" for red.
    """
    return f"\x1b[{_OWN};{code}m{text}\x1b[{_OWN};0m"


def line_for(text: str, stream: TextIO) -> str:
    """Return a line of the command's output. For a terminal, the colours of `coloured` stay; other sequences are removed."""
    return _keeping(_OURS, text, "\x1b[\\1m") if stream.isatty() else text


def _keeping(wanted: re.Pattern[str], text: str, written: str = r"\g<0>") -> str:
    pieces, at = [], 0
    for found in wanted.finditer(text):
        pieces += [without_controls(text[at : found.start()]), found.expand(written)]
        at = found.end()
    return "".join([*pieces, without_controls(text[at:])])


class SafeText(io.TextIOWrapper):
    """stdout or stderr of the command. Removes control sequences for a terminal, and commands for a CI runner, from all that is written."""

    def write(self, text: str, /) -> int:
        """Write the text as `for_stream` gives it."""
        super().write(for_stream(text, self))
        return len(text)

    def draw(self, text: str) -> int:
        """Write what the command draws: its colours and movements stay. Text of others in it must have been cleaned."""
        super().write(_keeping(_DRAWING, text) if self.isatty() else text)
        return len(text)


class _Display:
    """A stream of the command for what draws on it."""

    def __init__(self, stream: SafeText) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str, /) -> int:
        return self._stream.draw(text)


def display(stream: TextIO) -> TextIO:
    """Return the stream for what the command draws itself: colours and a few movements of the cursor pass, nothing else does."""
    return _Display(stream) if isinstance(stream, SafeText) else stream  # type: ignore[return-value]  # it passes everything on


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Return JSON in which control and reordering characters are escaped."""
    return escaped_json(json.dumps(value, indent=indent, ensure_ascii=False))


def escaped_json(text: str) -> str:
    """Return the same JSON document with control and reordering characters escaped. They can occur only inside its strings."""
    return _IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)
