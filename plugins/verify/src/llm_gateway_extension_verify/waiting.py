"""Whether work waits for an open gateway. Standard library only: an idle process asks, before it opens a gateway."""

from __future__ import annotations


def is_waiting(home: str) -> bool:  # the signature of `llm_gateway.waiting_work`
    """Return False: the lifespan of this plugin only remembers the gateway for its other hooks."""
    return False
