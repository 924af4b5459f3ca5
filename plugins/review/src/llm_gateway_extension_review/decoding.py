"""Bytes of a repository as text that shows all of them: contents in whatever encoding, and names that cannot pretend to be more."""

from __future__ import annotations

import codecs
import re

#: Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile(r"[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f]")
#: More control characters than this share, and it is no text. Compressed data has a tenth.
_MOST_CONTROLS = 0.05
_SHORT = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def shown(data: bytes) -> str | None:
    """Content as text; None: it is none.

    UTF-16 and UTF-32 are decoded where a byte order mark says so. A byte that is not UTF-8, and a control character, is written
    as `\\xNN`: one such byte must not hide a file.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _visible(data[len(mark) :], encoding)
    return _visible(data, "utf-8")


def _visible(data: bytes, encoding: str) -> str | None:
    letters = data.decode(encoding, "replace")
    found = len(_CONTROLS.findall(letters))
    if found > _MOST_CONTROLS * len(letters):
        return None
    text = data.decode(encoding, "backslashreplace")
    text = text.encode("utf-8", "backslashreplace").decode()
    return _CONTROLS.sub(lambda one: f"\\x{ord(one[0]):02x}", text) if found else text


def quoted(name: bytes) -> str:
    """A name on one line, as git writes it: in quotes and with escapes if anything in it could be misread.

    Newlines, control characters, quotes, invisible characters and those that turn the direction of writing are escaped.
    """
    try:
        text = name.decode()
        plain = text.isprintable() and not re.search(r'["\\]|^\s|\s$|^=|^-', text)
    except UnicodeDecodeError:
        plain = False
    if plain and text:
        return text
    letters = [_SHORT.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in name]
    return f'"{"".join(letters)}"'


def bytes_of(name: str) -> bytes:
    """A name as the file system has it."""
    return name.encode("utf-8", "surrogateescape")


def name_of(name: bytes) -> str:
    """A name as Python has it."""
    return name.decode("utf-8", "surrogateescape")
