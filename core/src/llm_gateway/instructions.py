"""Find the instruction files that an agent's program reads: helpers for `ProviderInfo.config_files`. Blocking."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable

from llm_gateway.files import read_regular

#: `@path` in an instruction file: the program reads that file too.
_IMPORT = re.compile(r"(?:^|(?<=\s))@([^\s`]+)")
_MOST_BYTES = 256 * 1024
_MOST_IMPORTS = 100


def in_parents(directory: str, names: Iterable[str]) -> list[str]:
    """Return the paths of these names in a directory and in each of its parents, starting with the directory."""
    names = list(names)
    found: list[str] = []
    here = os.path.abspath(directory)
    while True:
        found += [os.path.join(here, name) for name in names]
        above = os.path.dirname(here)
        if above == here:
            return found
        here = above


def with_imports(paths: Iterable[str], home: str) -> list[str]:
    """Return these files and all files that they import with `@path`, directly or indirectly; at most 100 imported files.

    :param home: replaces `~`.
    """
    found = dict.fromkeys(paths)
    waiting = deque(found)
    left = _MOST_IMPORTS
    while waiting and left > 0:
        path = waiting.popleft()
        for named in _imports_of(path):
            expanded = os.path.join(home, named[2:]) if named.startswith("~/") else named
            imported = os.path.normpath(os.path.join(os.path.dirname(path), expanded))
            if imported not in found and left > 0:
                left -= 1
                found[imported] = None
                waiting.append(imported)
    return list(found)


def _imports_of(path: str) -> list[str]:
    if not os.path.lexists(
        path
    ):  # most of them, on most machines: one call of the system instead of one for each folder
        return []
    try:
        text = read_regular(os.path.realpath(path), most_bytes=_MOST_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return []
    return [named.rstrip(".,;:)") for named in _IMPORT.findall(text)]
