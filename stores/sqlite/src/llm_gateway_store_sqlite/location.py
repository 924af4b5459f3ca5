"""The file that a URL names."""

from __future__ import annotations

import os


def path_of(rest: str, home: str) -> str:
    """Return the file's path.

    :param rest: the URL behind `sqlite:`. Raises ValueError if it names no absolute path.
    """
    path = rest[2:] if rest.startswith("//") else rest
    if path in ("", "/"):
        return os.path.join(home, "gateway.db")
    if not os.path.isabs(path):
        raise ValueError(
            f"'sqlite:{rest}' names no absolute path; write sqlite:///absolute/path/to/file.db, or sqlite: alone"
        )
    return path
