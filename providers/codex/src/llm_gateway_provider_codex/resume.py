"""How a run enters its conversation, and where Codex keeps that conversation. Codex chooses the ids, by the time of their making."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePath

from llm_gateway import Resume, Session, error_for

#: Anything else is taken for a title, and a title that nobody has silently begins another conversation. Codex answers in
#: lower case, whatever it was asked in.
SESSION_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: A record is named after the second of its making, which can be the next after the id's.
_SECONDS = (0, 1)


def enter(session: Session | None) -> Resume:
    """Continue the session's conversation, or begin one. Raises SessionNotResumable."""
    if session is None or session.native_id is None:
        return Resume()
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "This session's id is not one of Codex's: those are UUIDs.")
    return Resume(native_id=session.native_id, fresh=False)


def home(environ: Mapping[str, str]) -> PurePath:
    """Codex's own folder."""
    return PurePath(environ.get("CODEX_HOME") or PurePath(environ.get("HOME") or "/", ".codex"))


def record_paths(native_id: str, folder: PurePath) -> tuple[str, ...]:
    """Where this conversation's record may lie: Codex names it after the local time at which its id was made."""
    milliseconds = int(native_id.replace("-", "")[:12], 16)
    try:
        made = datetime.fromtimestamp(milliseconds // 1000)
    except (OverflowError, OSError, ValueError):
        return ()
    times = [made + timedelta(seconds=later) for later in _SECONDS]
    return tuple(
        str(folder / f"{time:sessions/%Y/%m/%d/rollout-%Y-%m-%dT%H-%M-%S}-{native_id}.jsonl") for time in times
    )
