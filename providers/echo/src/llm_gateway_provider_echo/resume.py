"""How a run starts or resumes its conversation. Pure."""

from llm_gateway import NativeSessionId, Resume, Session


def enter(session: Session | None, new_id: NativeSessionId) -> Resume:
    """Resume a conversation whose native id is known, or begin one with `new_id`.

    The gateway chooses the id, so it is known even if the run fails before its first line.
    """
    if session is not None and session.native_id:
        return Resume(native_id=session.native_id, fresh=False)
    return Resume(native_id=new_id)
