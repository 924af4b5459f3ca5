"""Grok tells its words a few letters at a time; people follow them line by line."""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST = 1000


class SpokenLines:
    """Feed it pieces, get lines with their ends. Nothing is lost: together they are the same words."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held = 0

    def feed(self, text: str) -> Iterator[str]:
        """Take the next letters; give every line that they complete, long ones in parts."""
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
        """The line that is not complete."""
        words = "".join(self._pieces)
        self._pieces, self._held = [], 0
        return words


def _parts(line: str) -> Iterator[str]:
    return (line[at : at + _LONGEST] for at in range(0, len(line), _LONGEST))
