"""How a run starts or resumes its conversation. The gateway chooses the id; Grok prints it only at the end of a run."""

from __future__ import annotations

import re
from uuid import uuid4

from llm_gateway import NativeSessionId, Resume, Session, error_for

#: Grok reads anything else as a title and searches the directory's conversations for it.
SESSION_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def enter(session: Session | None) -> Resume:
    """Resume the session's conversation, or begin one with a new id. Raises SessionNotResumable."""
    if session is None or session.native_id is None:
        return Resume(native_id=NativeSessionId(str(uuid4())), fresh=True)
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "The session id is not one of Grok: those are UUIDs.")
    return Resume(native_id=session.native_id, fresh=False)
