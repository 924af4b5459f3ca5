"""Whether runs of ended gateways wait for a gateway. Standard library only: an idle process asks, before it opens a gateway."""

from __future__ import annotations

import os

from llm_gateway.files import open_regular
from llm_gateway.leases import lock


def is_waiting(home: str) -> bool:
    """Return whether a run has not ended and no gateway executes it (see `folder.py`)."""
    open_runs = os.path.join(home, "reviews", ".open")
    try:
        names = os.listdir(open_runs)
    except OSError:
        return False
    return any(_is_free(os.path.join(open_runs, name)) for name in names)


def _is_free(path: str) -> bool:
    """Return whether no gateway holds the lease of a run. Its file stays: it says that the run has not ended."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return False
    try:
        return lock(descriptor, shared=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)
