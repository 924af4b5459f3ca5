"""How a request enters its conversation. Pure."""

from llm_gateway import NativeSessionId, Resume, Session


def enter(session: Session | None, new_id: NativeSessionId) -> Resume:
    """Continue a conversation whose native id is known, or begin one under an id that we choose.

    Choosing it ourselves means that it is known even when the run dies before its first line.
    """
    if session is not None and session.native_id:
        return Resume(native_id=session.native_id, fresh=False)
    return Resume(native_id=new_id)
