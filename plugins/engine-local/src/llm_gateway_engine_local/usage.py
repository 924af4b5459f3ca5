"""How much memory and processor a run uses, where /proc tells."""

from __future__ import annotations

import os

from . import identity
from .identity import Identity

_MOST_PROCESSES = 500


def usage_of(shim: Identity) -> tuple[int, float] | None:
    """Resident bytes and processor seconds of all that descends from a shim; None: the system does not tell.

    Walks down from the shim instead of through all processes: it is asked often. Of a run with more than `_MOST_PROCESSES`
    (somebody who forks without end) as many are counted.
    """
    if not shim.is_alive():
        return None
    line, rss, ticks = _children(shim.pid), 0, 0
    if line is None:
        return None
    seen = set(line)
    for pid in line:  # grows while it is walked
        try:
            with open(f"{identity.PROC}/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        rss += int(fields[21])
        ticks += sum(int(field) for field in fields[11:15])  # its own and that of the children it has reaped
        if len(line) < _MOST_PROCESSES:
            fresh = [child for child in _children(pid) or () if child not in seen]
            line += fresh
            seen.update(fresh)
    return rss * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int] | None:
    try:
        with open(f"{identity.PROC}/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return None
