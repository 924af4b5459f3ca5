"""Write the prompt to Gemini CLI's standard input so that it is only text.

If the first character of a prompt is `/`, it may run a command of the user or the project; a line break before it prevents
that. Gemini CLI replaces `@name`, also inside of a word, by the content of the file or folder of that name; a backslash before
it prevents that. The backslash stays in the text, so it is added only if the name exists (the search for similar names is off).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from llm_gateway import error_for
from llm_gateway_provider_kit.arguments import require

#: Gemini CLI reads this many bytes. It drops the rest, with a message on stderr.
LIMIT_BYTES = 8 * 1024 * 1024
_NAMES_LIMIT = 20_000
_HALF = re.compile(r"[\ud800-\udfff]")
_NAME = re.compile(r'(?<!\\)@((?:"[^"]*"|\\.|[^ \t\n\r,;!?()\[\]{}.]|\.(?!\Z|[ \t\n\r]))+)', re.DOTALL)


def as_text(prompt: str, directories: Sequence[str]) -> bytes:
    """Return the bytes to send. `directories`: where to look for files of the names. Accesses the disk; raises InputTooLarge."""
    require(
        not _HALF.search(prompt), "the prompt contains a lone surrogate, which cannot be encoded as UTF-8: remove it"
    )
    names = {match[1] for match in _NAME.finditer(prompt)}
    if len(names) > _NAMES_LIMIT:
        raise error_for(
            "input_too_large",
            f"the prompt has {len(names):,} different words with an @; at most {_NAMES_LIMIT:,} can be checked",
        )
    existing = {name for name in names if _exists(name, directories)}
    text = prompt
    if existing:
        text = _NAME.sub(lambda match: f"\\{match[0]}" if match[1] in existing else match[0], prompt)
    if text.startswith("/"):
        text = f"\n{text}"
    sent = text.encode()
    if len(sent) > LIMIT_BYTES:
        raise error_for("input_too_large", f"the prompt has {len(sent):,} bytes; Gemini CLI reads 8 MiB")
    return sent


def _exists(name: str, directories: Sequence[str]) -> bool:
    return any(os.path.lexists(os.path.join(where, read)) for read in set(_readings(name)) for where in directories)


def _readings(name: str) -> Iterator[str]:
    """Yield the paths that Gemini CLI may read the name as."""
    for bare in (name, name.replace('"', ""), re.sub(r"\\(.)", r"\1", name)):
        for read in (bare, unquote(bare)):
            yield re.sub(r"^file:/{2}", "", read)
