"""The prompt as Grok's standard input, so that it arrives as text and as nothing else.

Two things are not text to Grok, `--verbatim` or not: a first word that is one of its `/commands` is carried out (and the model
never sees it), and an `@path` that leads to a file brings that file's content along, from anywhere on the disk. An invisible
word joiner (U+2060) behind the sign takes its meaning away. A sign that could mean nothing to Grok stays as it is: decorators
in pasted code are no files. A test with the real program holds it to all of that.
"""

from __future__ import annotations

import os
import re

_JOINER = "\u2060"
_COMMAND = re.compile(r"\s*/(?=[\w.:-]+(\s|$))")
#: Grok reads a path up to the next blank, behind any sign that is no letter; it may end in lines, as in `:3-7`.
_MENTION = re.compile(r"(?<!\w)@(?=(\S{1,4096}))")
_LINES = re.compile(r":\d+-\d+\Z")
#: So many different mentions are looked up; what is beyond them is guarded unseen.
_LOOKED_UP = 2_000


def guarded(text: str, working_dir: str) -> str:
    """The same words without a meaning of their own to Grok. Looks whether the files that are mentioned exist."""
    command = _COMMAND.match(text)
    if command:
        text = text[: command.end()] + _JOINER + text[command.end() :]
    known: dict[str, bool] = {}

    def guard(match: re.Match[str]) -> str:
        word = match[1]
        if word not in known:
            known[word] = len(known) >= _LOOKED_UP or _is_file(word, working_dir)
        return f"@{_JOINER}" if known[word] else "@"

    return _MENTION.sub(guard, text)


def _is_file(word: str, working_dir: str) -> bool:
    places = {word, _LINES.sub("", word)}
    return any(os.path.lexists(os.path.join(working_dir, place)) for place in places)
