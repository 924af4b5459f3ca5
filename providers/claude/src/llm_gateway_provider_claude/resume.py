"""How a run starts or resumes its conversation. The gateway chooses the id, so it is known even if the run fails."""

from __future__ import annotations

import re
from uuid import uuid4

from llm_gateway import NativeSessionId, Resume, Session, error_for

#: Claude Code reads anything else as a title, and a title that looks like a URL silently begins another conversation.
SESSION_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def enter(session: Session | None) -> Resume:
    """Resume the session's conversation, or begin one with a new id. Raises SessionNotResumable."""
    if session is None or session.native_id is None:
        return Resume(native_id=NativeSessionId(str(uuid4())), fresh=True)
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "The session id is not one of Claude Code: those are UUIDs.")
    return Resume(native_id=session.native_id, fresh=False)
