"""How a run starts or resumes its conversation."""

from __future__ import annotations

import os

from llm_gateway import Request, Resume, Session, error_for
from llm_gateway_provider_gemini.options import AGY
from llm_gateway_provider_kit.conversations import ANY_UUID, resume_or_start

#: Gemini CLI reads a number as an index of its list, and `latest` may begin a new conversation.
SESSION_ID = ANY_UUID


def enter(request: Request, session: Session | None) -> Resume:
    """Resume the session's conversation, or begin one. Raises SessionNotResumable.

    For Gemini CLI the gateway chooses the id, so it is known even if the run fails. The id is random, because the name of the
    conversation's file consists of its first eight characters and the minute. Antigravity chooses its ids itself.
    """
    is_agy = request.variant == AGY
    resume = resume_or_start(session, "Gemini", chooses_id=not is_agy, pattern=SESSION_ID)
    if resume.fresh or session is None or is_agy:
        return resume
    if os.path.realpath(session.working_dir) != os.path.realpath(request.working_dir):
        raise error_for(
            "session_not_resumable",
            f"Gemini CLI stores conversations by directory: this one belongs to {session.working_dir}.",
            recovery="Pass that directory as workingDir, or pass createNewSession: true.",
        )
    return resume
