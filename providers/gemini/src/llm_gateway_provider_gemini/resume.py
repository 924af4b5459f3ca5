"""How a run starts or resumes its conversation."""

from __future__ import annotations

import os
import re
from uuid import uuid4

from llm_gateway import NativeSessionId, Request, Resume, Session, error_for
from llm_gateway_provider_gemini.options import AGY

#: Gemini CLI reads a number as an index of its list, and `latest` may begin a new conversation.
SESSION_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def enter(request: Request, session: Session | None) -> Resume:
    """Resume the session's conversation, or begin one. Raises SessionNotResumable.

    For Gemini CLI the gateway chooses the id, so it is known even if the run fails. The id is random, because the name of the
    conversation's file consists of its first eight characters and the minute. Antigravity chooses its ids itself.
    """
    if session is None or session.native_id is None:
        return Resume() if request.variant == AGY else Resume(native_id=NativeSessionId(str(uuid4())))
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "The session id is not one of Gemini: those are UUIDs.")
    if request.variant != AGY and os.path.realpath(session.working_dir) != os.path.realpath(request.working_dir):
        raise error_for(
            "session_not_resumable",
            f"Gemini CLI stores conversations by directory: this one belongs to {session.working_dir}.",
            recovery="Pass that directory as workingDir, or pass createNewSession: true.",
        )
    return Resume(native_id=session.native_id, fresh=False)
