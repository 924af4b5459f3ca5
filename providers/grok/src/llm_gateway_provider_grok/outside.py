"""Rules that mean every file outside of one directory.

Grok asks a human before it edits such a file, unless a setting of the user's own says otherwise; and it follows symbolic links out
of the directory without asking. A denial holds against both, and is told to the model instead of ending its turn. But Grok's rules
know no "not": so they name, letter by letter, all paths that leave the way to the directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What means itself in a pattern. In the place of any other letter stands `?`, which leaves out fewer paths, and none inside.
_PLAIN = re.compile(r"[\w. -]")
#: The rules grow with the square of it. A longer path is left to Grok's own question.
LONGEST = 400


def patterns_outside(directory: str) -> Iterator[str]:
    """The patterns for a real path: all of them together match whatever is not in it."""
    if len(directory) > LONGEST:
        return
    way = ""
    for part in filter(None, directory.split("/")):
        begun = ""
        for letter in part:
            plain = _PLAIN.fullmatch(letter)
            if plain:
                yield from _all(f"{way}/{begun}[!{letter}]*")
            if begun:
                yield from _all(f"{way}/{begun}")
            begun += letter if plain else "?"
        yield from _all(f"{way}/{begun}?*")
        way += f"/{begun}"
    yield from _all("~*")  # Grok writes to the home by this name, and compares it letter by letter


def _all(path: str) -> Iterator[str]:
    yield path
    yield f"{path}/**"
