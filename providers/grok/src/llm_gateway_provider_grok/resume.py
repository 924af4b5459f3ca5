"""How a run enters its conversation. Grok takes an id of our choosing, and tells it only at its end."""

from __future__ import annotations

import re
from uuid import uuid4

from llm_gateway import NativeSessionId, Resume, Session, error_for

#: Anything else is taken for a title, and compared with the titles of the directory's conversations.
SESSION_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def enter(session: Session | None) -> Resume:
    """Continue the session's conversation, or begin one under a new id. Raises SessionNotResumable."""
    if session is None or session.native_id is None:
        return Resume(native_id=NativeSessionId(str(uuid4())), fresh=True)
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "This session's id is not one of Grok's: those are UUIDs.")
    return Resume(native_id=session.native_id, fresh=False)
