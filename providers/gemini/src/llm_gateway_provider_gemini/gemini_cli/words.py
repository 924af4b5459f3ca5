"""The prompt as Gemini CLI's standard input, so that it arrives as text.

A prompt whose first character is `/` may run a command of the user's or the project's; a line break before it makes it text.
`@name` anywhere, also inside of a word, is replaced by what the file or folder of that name holds; a backslash before it keeps
it from that. It stays in the text, so it is put only where the name exists (the search for names alike is switched off).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from llm_gateway import error_for
from llm_gateway_provider_gemini.checking import check

#: What Gemini CLI reads; the rest it cuts off, with a word on stderr.
LIMIT_BYTES = 8 * 1024 * 1024
_NAMES_LIMIT = 20_000
_HALF = re.compile(r"[\ud800-\udfff]")
_NAME = re.compile(r'(?<!\\)@((?:"[^"]*"|\\.|[^ \t\n\r,;!?()\[\]{}.]|\.(?!\Z|[ \t\n\r]))+)', re.DOTALL)


def as_text(prompt: str, directories: Sequence[str]) -> bytes:
    """The bytes to send. `directories`: where a name could be a file's. Looks at the disk; raises InputTooLarge."""
    check(not _HALF.search(prompt), "the prompt holds half a character (a lone surrogate)")
    names = {match[1] for match in _NAME.finditer(prompt)}
    if len(names) > _NAMES_LIMIT:
        raise error_for(
            "input_too_large", f"the prompt holds {len(names):,} different words with an @, Gemini CLI's sign"
        )
    there = {name for name in names if _exists(name, directories)}
    text = _NAME.sub(lambda match: f"\\{match[0]}" if match[1] in there else match[0], prompt) if there else prompt
    sent = (("\n" if text.startswith("/") else "") + text).encode()
    if len(sent) > LIMIT_BYTES:
        raise error_for("input_too_large", f"the prompt has {len(sent):,} bytes; Gemini CLI reads 8 MiB")
    return sent


def _exists(name: str, directories: Sequence[str]) -> bool:
    return any(os.path.lexists(os.path.join(where, read)) for read in set(_readings(name)) for where in directories)


def _readings(name: str) -> Iterator[str]:
    """What Gemini CLI might take the name for."""
    for bare in (name, name.replace('"', ""), re.sub(r"\\(.)", r"\1", name)):
        for read in (bare, unquote(bare)):
            yield re.sub(r"^file:/{2}", "", read)
