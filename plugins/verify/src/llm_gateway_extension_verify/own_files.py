"""The user's own files of a program: whether they are the same before and after."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from llm_gateway import ProviderInfo, user_home

_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_]+):-([^}]*)\}")
#: More entries of one folder are not looked at.
_MOST = 2000

Stats = dict[str, tuple[int, ...]]


def stats_of(info: ProviderInfo, environ: Mapping[str, str]) -> Stats:
    """Return size, time and identity of the files and folders that a program reads and writes for this user. Blocking."""
    found: Stats = {}
    for pattern in (*info.own_paths, *info.own_settings):
        path = expanded(pattern, environ)
        if path is None:
            continue
        for entry in _entries(path):
            try:
                facts = entry.lstat()
            except OSError:
                continue
            found[str(entry)] = (facts.st_ino, facts.st_mode, facts.st_size, facts.st_mtime_ns)
    return found


def changed(before: Stats, after: Stats) -> list[str]:
    """Return the paths that differ. Pure."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _entries(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        for number, entry in enumerate(sorted(path.iterdir())):
            if number >= _MOST:
                return
            yield entry


def expanded(pattern: str, environ: Mapping[str, str]) -> Path | None:
    """Return a path of `own_paths` for this user; None if it names nothing."""

    def value(match: re.Match[str]) -> str:
        return environ.get(match[1]) or match[2]

    text = _VARIABLE.sub(value, pattern)
    if text.startswith("~"):
        text = user_home(environ, "/") + text[1:]
    return Path(text) if os.path.isabs(text) else None
