"""Words of a caller or an agent in a sentence that a person reads: they must not look like a part of the sentence. Pure."""

from __future__ import annotations

import re
import unicodedata

_SIMPLE = re.compile(r"[A-Za-z0-9_./~*:@+=$-]+")
#: Categories of characters that move the cursor, change the direction of writing, or are not seen.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_LONGEST = 200


def quoted(value: str, most: int = _LONGEST) -> str:
    """A value in one line: as it is if it is one plain word, else in quotation marks; at most so many characters of it."""
    cut = value[:most]
    if _SIMPLE.fullmatch(value) and cut == value:
        return value
    inner = "".join(f"\\{letter}" if letter in '"\\' else _seen(letter) for letter in cut)
    return f'"{inner}"' + (f" (and {len(value) - most} more characters)" if cut != value else "")


def plain(text: str, most: int) -> str:
    """A sentence in one line, without control characters and marks of direction; at most so many characters."""
    shown = "".join(map(_seen, text[:most]))
    return shown if len(text) <= most else f"{shown} …"


def _seen(letter: str) -> str:
    if unicodedata.category(letter) not in _UNSEEN and (letter == " " or not letter.isspace()):
        return letter
    return letter.encode("unicode_escape").decode("ascii")
