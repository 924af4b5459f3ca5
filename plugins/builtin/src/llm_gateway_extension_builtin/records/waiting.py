"""Whether old texts may have to be removed. Standard library only: an idle process asks, before it opens a gateway."""

from __future__ import annotations

import os

INDEX = "log-index.db"


def is_waiting(home: str) -> bool:
    """Return whether there is an index of texts: an open gateway removes old texts from it, or all of it if none may be stored."""
    return os.path.lexists(os.path.join(home, INDEX))
