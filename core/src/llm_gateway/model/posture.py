"""What a run may do on its own, as levels of one ladder."""

from __future__ import annotations

from enum import Enum


class Posture(str, Enum):
    """A level; `<` and `>` compare by what it permits."""

    READ_ONLY = "read_only"  #: looks, changes nothing
    PLAN = "plan"  #: looks and proposes
    PROMPTED = "prompted"  #: what would ask a human is denied
    ACCEPT_EDITS = "accept_edits"  #: file edits in the working directory pass, the shell does not
    WORKSPACE_WRITE = "workspace_write"  #: edits and shell pass, inside the working directory
    BYPASS = "bypass"  #: everything passes

    @property
    def rank(self) -> int:
        """0 for the lowest level."""
        return list(Posture).index(self)

    def __lt__(self, other: object) -> bool:
        return self.rank < other.rank if isinstance(other, Posture) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self.rank <= other.rank if isinstance(other, Posture) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self.rank > other.rank if isinstance(other, Posture) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self.rank >= other.rank if isinstance(other, Posture) else NotImplemented
