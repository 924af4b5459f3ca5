"""What Vibe reads into a prompt beyond its words.

An `@path` of a file inside of the working directory attaches that file, which the agent may read anyway; the reader tells it.
An image is attached from anywhere, so a text that somebody else wrote could take one along: such a prompt is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from llm_gateway import error_for

_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_MENTION = re.compile(r"""(?<!\w)@(?:'([^']*)'|"([^"]*)"|([\w./\\()\[\]{}~-]+))""")


def check(text: str, working_dir: str) -> None:
    """Raise InvalidRequest for a prompt that would attach an image from outside of the working directory."""
    if "@" not in text:
        return
    inside = os.path.join(os.path.realpath(working_dir), "")
    for path in _images(text):
        real = os.path.realpath(os.path.join(working_dir, os.path.expanduser(path)))
        if not real.startswith(inside) and os.path.isfile(real):
            raise error_for(
                "invalid_request",
                f"Mistral Vibe would attach an image from outside of the working directory: @{path[:200]}",
                recovery="Write the path without the @, or copy the image into the working directory.",
            )


def as_bytes(text: str) -> bytes:
    """What goes to standard input. Raises InvalidRequest for half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise error_for("invalid_request", "the prompt contains characters that no program can be given") from error


def _images(text: str) -> Iterator[str]:
    for match in _MENTION.finditer(text):
        path = match[1] or match[2] or match[3] or ""
        if path.lower().endswith(_IMAGES):
            yield path
