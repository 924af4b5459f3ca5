"""Where Codex stores conversations. Codex chooses their ids; they contain their time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePath

#: The name of a record contains the second in which it was created; that can be one second after the time in the id.
_SECONDS = (0, 1)


def home(environ: Mapping[str, str]) -> PurePath:
    """Return Codex's folder."""
    return PurePath(environ.get("CODEX_HOME") or PurePath(environ.get("HOME") or "/", ".codex"))


def record_paths(native_id: str, folder: PurePath) -> tuple[str, ...]:
    """Return the possible paths of a conversation's record. Codex names it after the local time of the id."""
    milliseconds = int(native_id.replace("-", "")[:12], 16)
    try:
        created = datetime.fromtimestamp(milliseconds // 1000)
    except (OverflowError, OSError, ValueError):
        return ()
    times = [created + timedelta(seconds=later) for later in _SECONDS]
    return tuple(
        str(folder / f"{time:sessions/%Y/%m/%d/rollout-%Y-%m-%dT%H-%M-%S}-{native_id}.jsonl") for time in times
    )
