"""The schema's versions, and the mark of the file."""

from __future__ import annotations

import os

FOLDER = os.path.join(os.path.dirname(__file__), "migrations")
#: Marks the file as ours ("LLMG"), so that the store never writes to another program's database.
APPLICATION_ID = 0x4C4C4D47


def migrations() -> dict[int, str]:
    """Schema version -> the path of the file that leads to it."""
    names = sorted(
        name for name in os.listdir(FOLDER) if name[:4].isdigit() and name[4:5] == "_" and name.endswith(".sql")
    )
    return {int(name[:4]): os.path.join(FOLDER, name) for name in names}
