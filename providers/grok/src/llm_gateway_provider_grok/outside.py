"""Rules that match every file outside of one directory.

Grok needs an approval before it edits such a file, unless a setting of the user allows it, and it follows symbolic links out of
the directory without an approval. A denial prevents both, and the model receives it instead of the turn ending. Grok's rules have
no "not", so these patterns list, letter by letter, all paths that differ from the path of the directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Characters without a special meaning in a pattern. `?` replaces all others: then fewer outside paths match, but no inside path.
_PLAIN = re.compile(r"[\w. -]")
#: Characters. The size of the rules grows with the square of the path's length. Longer paths get no rules; Grok's approval remains.
LONGEST = 400


def patterns_outside(directory: str) -> Iterator[str]:
    """Yield patterns for a resolved path. Together they match every path that is not inside of it."""
    if len(directory) > LONGEST:
        return
    parent = ""
    for part in filter(None, directory.split("/")):
        prefix = ""
        for letter in part:
            plain = _PLAIN.fullmatch(letter)
            if plain:
                yield from _path_and_content(f"{parent}/{prefix}[!{letter}]*")
            if prefix:
                yield from _path_and_content(f"{parent}/{prefix}")
            prefix += letter if plain else "?"
        yield from _path_and_content(f"{parent}/{prefix}?*")
        parent += f"/{prefix}"
    yield from _path_and_content("~*")  # Grok accepts `~` for the home, and compares it as text


def _path_and_content(path: str) -> Iterator[str]:
    yield path
    yield f"{path}/**"
