"""Grok prints its text in pieces of a few letters. Followers of a run get lines."""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST = 1000


class TextLines:
    """Joins pieces of text to lines with their line breaks. The lines together are the same text."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held = 0

    def feed(self, text: str) -> Iterator[str]:
        """Process the next piece; yield every line that it completes, long lines in parts."""
        self._pieces.append(text)
        self._held += len(text)
        if "\n" in text or self._held > _LONGEST:
            *lines, rest = self.rest().split("\n")
            for line in lines:
                yield from _parts(f"{line}\n")
            if len(rest) > _LONGEST:
                yield from _parts(rest)
            else:
                self._pieces, self._held = [rest], len(rest)

    def rest(self) -> str:
        """Return the incomplete line and forget it."""
        text = "".join(self._pieces)
        self._pieces, self._held = [], 0
        return text


def _parts(line: str) -> Iterator[str]:
    return (line[at : at + _LONGEST] for at in range(0, len(line), _LONGEST))
