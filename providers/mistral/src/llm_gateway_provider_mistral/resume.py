"""How a run starts or resumes its conversation. Vibe chooses the id and prints it in its first line."""

from __future__ import annotations

import os
import re

from llm_gateway import Request, Resume, Session, error_for

#: Vibe also accepts the beginning of an id, and resumes any conversation that matches.
SESSION_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def enter(request: Request, session: Session | None) -> Resume:
    """Resume the session's conversation, or begin one. Raises SessionNotResumable for changes that Vibe would silently ignore.

    A conversation keeps the agent (its rights), the model and the directory of its first turn, whatever a later run requests.
    """
    if session is None or session.native_id is None:
        return Resume()
    if not re.fullmatch(SESSION_ID, session.native_id):
        raise error_for("session_not_resumable", "The session id is not one of Mistral Vibe: those are UUIDs.")
    if not session.settings:  # the caller passed an id that the gateway does not know
        raise error_for(
            "session_not_resumable",
            "This conversation was not begun through this gateway. Mistral Vibe keeps the rights of the agent of its first turn, "
            "and a run cannot reduce them. Pass createNewSession: true.",
        )
    _refuse_changes(request, session)
    return Resume(native_id=session.native_id, fresh=False)


def _refuse_changes(request: Request, session: Session) -> None:
    if os.path.realpath(request.working_dir) != os.path.realpath(session.working_dir):
        raise error_for(
            "session_not_resumable",
            f"Mistral Vibe's tools stay in the directory where a conversation began: {session.working_dir}.",
            recovery="Leave workingDir out, or pass createNewSession: true.",
        )
    first = session.settings.get("model")
    if request.model != first:
        raise error_for(
            "session_not_resumable",
            f"Mistral Vibe keeps the model that a conversation began with: {first or 'its default'}.",
            recovery="Leave model out, or pass createNewSession: true.",
        )
