"""How a run starts or resumes its conversation, and where Codex stores it. Codex chooses the ids; they contain their time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePath

from llm_gateway import Resume, Session, error_for

#: Codex reads anything else as a title, and an unknown title silently begins another conversation. Codex prints ids in lower
#: case.
SESSION_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: The name of a record contains the second in which it was created; that can be one second after the time in the id.
_SECONDS = (0, 1)


def enter(session: Session | None) -> Resume:
    """Resume the session's conversation, or begin one. Raises SessionNotResumable."""
    if session is None or session.native_id is None:
        return Resume()
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "The session id is not one of Codex: those are UUIDs.")
    return Resume(native_id=session.native_id, fresh=False)


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
