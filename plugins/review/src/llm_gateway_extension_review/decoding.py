"""Show bytes of a repository as text without losing any: contents in any common encoding, and names as safe quoted text."""

from __future__ import annotations

import codecs
import re

#: Longest first: the byte order mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile(r"[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f]")
#: Content with a larger share of control characters is not text. In compressed data about a tenth are control characters.
_MOST_CONTROLS = 0.05
_SHORT = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def shown(data: bytes) -> str | None:
    """Return content as text; None: it is not text.

    UTF-16 and UTF-32 are decoded if there is a byte order mark. A byte that is not UTF-8, and a control character, is written
    as `\\xNN`: one such byte cannot hide a file.
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
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text) if found else text


def quoted(name: bytes) -> str:
    """Return a name on one line as git writes it: with quotes and escapes if a character in it could be misread.

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
    """Return a name as the file system stores it."""
    return name.encode("utf-8", "surrogateescape")


def name_of(name: bytes) -> str:
    """Return a name as Python represents it."""
    return name.decode("utf-8", "surrogateescape")
