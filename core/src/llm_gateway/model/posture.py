"""What a run may do on its own, as ordered levels."""

from __future__ import annotations

from enum import Enum


class Posture(str, Enum):
    """What a run may do on its own; `<` and `>` compare levels."""

    READ_ONLY = "read_only"  #: reads, changes nothing
    PLAN = "plan"  #: reads and answers with a plan
    PROMPTED = "prompted"  #: what would need a human's answer is denied
    ACCEPT_EDITS = "accept_edits"  #: file edits in the working directory are allowed, the shell is not
    WORKSPACE_WRITE = "workspace_write"  #: edits and shell are allowed, inside the working directory
    BYPASS = "bypass"  #: everything is allowed

    @property
    def rank(self) -> int:
        """0 for the lowest level."""
        return _RANKS[self]

    def __lt__(self, other: object) -> bool:
        return self.rank < other.rank if isinstance(other, Posture) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self.rank <= other.rank if isinstance(other, Posture) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self.rank > other.rank if isinstance(other, Posture) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self.rank >= other.rank if isinstance(other, Posture) else NotImplemented


_RANKS = {posture: rank for rank, posture in enumerate(Posture)}
