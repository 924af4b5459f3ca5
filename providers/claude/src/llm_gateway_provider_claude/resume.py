"""How a run enters its conversation. Claude Code takes an id of our choosing, so it is known whatever happens."""

from __future__ import annotations

import re
from uuid import uuid4

from llm_gateway import NativeSessionId, Resume, Session, error_for

#: Anything else is taken for a title, and a title that looks like a URL silently begins another conversation.
SESSION_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def enter(session: Session | None) -> Resume:
    """Continue the session's conversation, or begin one under a new id. Raises SessionNotResumable."""
    if session is None or session.native_id is None:
        return Resume(native_id=NativeSessionId(str(uuid4())), fresh=True)
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "This session's id is not one of Claude Code's: those are UUIDs.")
    return Resume(native_id=session.native_id, fresh=False)
