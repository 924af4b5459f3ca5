"""Write the prompt to Grok's standard input so that it is only text.

Even with `--verbatim`, Grok interprets two things. A `/command` as the first word is executed, and the model never receives it.
An `@path` of an existing file, anywhere on the disk, attaches the content of that file. An invisible word joiner (U+2060) after
the sign prevents both. A sign without a meaning for Grok, such as a decorator in code, stays unchanged. A test with the real
program checks this.
"""

from __future__ import annotations

import os
import re

_JOINER = "\u2060"
_COMMAND = re.compile(r"\s*/(?=[\w.:-]+(\s|$))")
#: Grok reads a path up to the next blank, if no letter is before the `@`. It may end with line numbers, as in `:3-7`.
_MENTION = re.compile(r"(?<!\w)@(?=(\S{1,4096}))")
_LINES = re.compile(r":\d+-\d+\Z")
#: The number of different mentions that are looked up. Further mentions get a word joiner without a look-up.
_MOST_LOOKUPS = 2_000


def guarded(text: str, working_dir: str) -> str:
    """Return the text with word joiners, so that Grok interprets nothing in it. Checks whether mentioned files exist."""
    command = _COMMAND.match(text)
    if command:
        text = text[: command.end()] + _JOINER + text[command.end() :]
    known: dict[str, bool] = {}

    def guard(match: re.Match[str]) -> str:
        word = match[1]
        if word not in known:
            known[word] = len(known) >= _MOST_LOOKUPS or _is_file(word, working_dir)
        return f"@{_JOINER}" if known[word] else "@"

    return _MENTION.sub(guard, text)


def _is_file(word: str, working_dir: str) -> bool:
    places = {word, _LINES.sub("", word)}
    return any(os.path.lexists(os.path.join(working_dir, place)) for place in places)
