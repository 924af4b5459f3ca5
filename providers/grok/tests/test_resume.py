from __future__ import annotations

from datetime import datetime, timezone
from uuid import UUID

import pytest

from llm_gateway import NativeSessionId, Posture, Session, new_session_id
from llm_gateway.errors import InvalidRequest, SessionNotResumable
from llm_gateway_provider_grok.options import LEVEL_OF, GrokOptions, posture_of
from llm_gateway_provider_grok.resume import enter

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def session(native_id: str | None) -> Session:
    return Session(
        id=new_session_id(),
        provider="grok",
        principal="local",
        working_dir="/",
        native_id=NativeSessionId(native_id) if native_id else None,
        created_at=NOW,
        last_used_at=NOW,
    )


@pytest.mark.parametrize("known", [None, session(None)], ids=["no session", "no native id yet"])
def test_a_new_conversation_of_grok_gets_an_id_from_the_gateway(known: Session | None) -> None:
    first, second = enter(known), enter(known)
    assert first.fresh
    assert UUID(first.native_id).version == 4
    assert first.native_id != second.native_id


def test_a_known_conversation_of_grok_is_resumed() -> None:
    native_id = "01a202a8-1ba1-7821-abdf-b1794c2285f9"
    resume = enter(session(native_id))
    assert (resume.native_id, resume.fresh) == (native_id, False)


@pytest.mark.parametrize("native_id", ["my title", "--continue", "gw-0123", "01a202a8", ""])
def test_lesson_75_a_title_never_reaches_grok(native_id: str) -> None:
    known = session("x")
    with pytest.raises(SessionNotResumable):
        enter(session(native_id) if native_id else known)


@pytest.mark.parametrize(("mode", "level"), LEVEL_OF.items())
def test_a_permission_mode_of_grok_chooses_its_level(mode: str, level: Posture) -> None:
    assert posture_of(GrokOptions(permissionMode=mode)) is level


def test_always_approve_chooses_bypass_and_contradicts_lower_levels() -> None:
    assert posture_of(GrokOptions(alwaysApprove=True)) is Posture.BYPASS
    assert posture_of(GrokOptions(alwaysApprove=True, permissionMode="bypassPermissions")) is Posture.BYPASS
    assert posture_of(GrokOptions(alwaysApprove=False)) is posture_of(GrokOptions()) is None
    with pytest.raises(InvalidRequest, match="contradicts"):
        posture_of(GrokOptions(alwaysApprove=True, permissionMode="plan"))
