"""Quote text from a caller or an agent inside a message, so that it cannot be mistaken for a part of the message. Pure."""

from __future__ import annotations

import re
import unicodedata

_SIMPLE = re.compile(r"[A-Za-z0-9_./~*:@+=$-]+")
#: Unicode categories of characters that are invisible, move the cursor or change the writing direction.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_LONGEST = 200


def quoted(value: str, most: int = _LONGEST) -> str:
    """Return a value on one line: unchanged if it is one plain word, else in quotation marks. Keeps at most `most` characters."""
    cut = value[:most]
    if _SIMPLE.fullmatch(value) and cut == value:
        return value
    inner = "".join(f"\\{letter}" if letter in '"\\' else _visible(letter) for letter in cut)
    return f'"{inner}"' + (f" (and {len(value) - most} more characters)" if cut != value else "")


def plain(text: str, most: int) -> str:
    """Return text on one line, with control and direction characters escaped. Keeps at most `most` characters."""
    shown = "".join(map(_visible, text[:most]))
    return shown if len(text) <= most else f"{shown} …"


def _visible(letter: str) -> str:
    if unicodedata.category(letter) not in _INVISIBLE and (letter == " " or not letter.isspace()):
        return letter
    return letter.encode("unicode_escape").decode("ascii")
