"""Check a prompt for files that Vibe would attach.

An `@path` of a file in the working directory attaches that file, which the agent may read anyway; the reader reports it. Vibe
attaches images from any directory, so text from another author could attach a private one: such a prompt is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from llm_gateway import LocationError, error_for, expand_user

_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_MENTION = re.compile(r"""(?<!\w)@(?:'([^']*)'|"([^"]*)"|([\w./\\()\[\]{}~-]+))""")


def check(text: str, working_dir: str) -> None:
    """Raise InvalidRequest for a prompt that would attach an image from outside of the working directory."""
    if "@" not in text:
        return
    inside = os.path.join(os.path.realpath(working_dir), "")
    for path in _images(text):
        try:
            real = os.path.realpath(os.path.join(working_dir, expand_user(path, os.environ)))
        except LocationError:  # there is no such home, so no such file
            continue
        if not real.startswith(inside) and os.path.isfile(real):
            raise error_for(
                "invalid_request",
                f"Mistral Vibe would attach an image from outside of the working directory: @{path[:200]}",
                recovery="Write the path without the @, or copy the image into the working directory.",
            )


def as_bytes(text: str) -> bytes:
    """Return the bytes for standard input. Raises InvalidRequest for a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = "the prompt contains a lone surrogate, which cannot be encoded as UTF-8: remove it"
        raise error_for("invalid_request", message) from error


def _images(text: str) -> Iterator[str]:
    for match in _MENTION.finditer(text):
        path = match[1] or match[2] or match[3] or ""
        if path.lower().endswith(_IMAGES):
            yield path
