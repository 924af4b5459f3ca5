"""How a run enters its conversation."""

from __future__ import annotations

import os
import re
from uuid import uuid4

from llm_gateway import NativeSessionId, Request, Resume, Session, error_for
from llm_gateway_provider_gemini.options import AGY

#: Gemini CLI would take a number for a place in its list, and `latest` may begin a new conversation.
SESSION_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def enter(request: Request, session: Session | None) -> Resume:
    """Continue the session's conversation, or begin one. Raises SessionNotResumable.

    Gemini CLI takes an id of our choosing, so it is known whatever happens: a random one, because the first eight characters
    and the minute name its file. Antigravity chooses its own.
    """
    if session is None or session.native_id is None:
        return Resume() if request.variant == AGY else Resume(native_id=NativeSessionId(str(uuid4())))
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "This session's id is not one of Gemini's: those are UUIDs.")
    if request.variant != AGY and os.path.realpath(session.working_dir) != os.path.realpath(request.working_dir):
        raise error_for(
            "session_not_resumable",
            f"Gemini CLI keeps its conversations by directory: this one belongs to {session.working_dir}.",
            recovery="Continue it there, or pass createNewSession: true.",
        )
    return Resume(native_id=session.native_id, fresh=False)
