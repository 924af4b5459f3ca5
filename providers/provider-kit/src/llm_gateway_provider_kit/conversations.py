"""How a run starts or resumes its conversation, for the usual CLI whose conversations have UUIDs."""

from __future__ import annotations

import re
from uuid import uuid4

from llm_gateway import NativeSessionId, Resume, Session, error_for

__all__ = ["ANY_UUID", "UUID", "resume_or_start"]

#: A UUID in lower case, as most CLIs print it.
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: A UUID in any case.
ANY_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def resume_or_start(
    session: Session | None, title: str, *, chooses_id: bool, pattern: str = UUID, form: str = "UUIDs"
) -> Resume:
    """Resume the session's conversation, or start one. Raises SessionNotResumable for an id that the CLI would misread.

    :param title: the CLI, for the message.
    :param chooses_id: the CLI takes the id of a new conversation from the gateway, so that it is known even if the run fails.
    :param pattern: a regular expression for the whole id; usually `ProviderInfo.native_id_pattern`.
    :param form: what ids are, for the message.
    """
    if session is None or session.native_id is None:
        return Resume(native_id=NativeSessionId(str(uuid4()))) if chooses_id else Resume()
    if not re.fullmatch(pattern, session.native_id):
        raise error_for("session_not_resumable", f"The session id is not one of {title}: those are {form}.")
    return Resume(native_id=session.native_id, fresh=False)
