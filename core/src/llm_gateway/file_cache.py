"""Files that are read for every request, parsed once for each of their states."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from llm_gateway.files import open_regular

T = TypeVar("T")

#: The greatest number of parsed files in memory.
_MOST_FILES = 256

_guard = threading.Lock()
_parsed: dict[tuple[str, Callable[[bytes], Any]], tuple[tuple[int, ...], Any]] = {}


def read_cached(
    path: str | os.PathLike[str], parse: Callable[[bytes], T], *, most_bytes: int = 1 << 20, follow: bool = False
) -> T:
    """Return what `parse` makes of a file; it is called again only when the file was replaced or written. Blocking.

    :param parse: a function at the top level of a module. Callers share its result, so they must not change it.
    :param most_bytes: a larger file is refused.
    :param follow: follow a symlink. For the user's own files, such as settings. Never for a file of a repository.

    Raises OSError as `files.open_regular` does, ValueError for a larger file, and what `parse` raises.
    """
    name = os.fspath(path)
    with open(open_regular(name, follow=follow), "rb") as file:
        found = os.fstat(file.fileno())
        facts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        with _guard:
            known = _parsed.get((name, parse))
        if known is not None and known[0] == facts:
            return known[1]  # type: ignore[no-any-return]  # the result of this function
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"it has more than {most_bytes:,} bytes")
    result = parse(data)
    with _guard:
        if len(_parsed) >= _MOST_FILES:
            _parsed.clear()
        _parsed[name, parse] = (facts, result)
    return result
