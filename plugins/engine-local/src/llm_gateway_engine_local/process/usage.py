"""How much memory and processor time a run uses, where the system tells."""

from __future__ import annotations

from . import system
from .identity import Identity

_MOST_PROCESSES = 500


def usage_of(shim: Identity) -> tuple[int, float] | None:
    """Resident bytes and processor seconds of all descendants of a shim. None: the system does not tell.

    This is called often, so it walks down from the shim instead of through all processes. It counts at most `_MOST_PROCESSES`.
    """
    if not shim.is_alive():
        return None
    queue = system.children_of(shim.pid)
    if queue is None:
        return None
    memory, seconds = 0, 0.0
    seen = set(queue)
    for pid in queue:  # grows during the walk
        used = system.usage_of(pid)
        if used is None:
            continue
        memory += used[0]
        seconds += used[1]
        if len(queue) < _MOST_PROCESSES:
            fresh = [child for child in system.children_of(pid) or () if child not in seen]
            queue += fresh
            seen.update(fresh)
    return memory, seconds
