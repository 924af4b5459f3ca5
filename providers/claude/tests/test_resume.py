from __future__ import annotations

from datetime import datetime, timezone
from uuid import UUID

import pytest

from llm_gateway import NativeSessionId, Posture, Session, new_session_id
from llm_gateway.errors import SessionNotResumable
from llm_gateway_provider_claude.options import LEVEL_OF, ClaudeOptions, posture_of
from llm_gateway_provider_claude.resume import enter

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def session(native_id: str | None) -> Session:
    return Session(
        id=new_session_id(),
        provider="claude",
        principal="local",
        working_dir="/",
        native_id=NativeSessionId(native_id) if native_id else None,
        created_at=NOW,
        last_used_at=NOW,
    )


@pytest.mark.parametrize("known", [None, session(None)], ids=["no session", "no native id yet"])
def test_a_new_conversation_gets_an_id_from_the_gateway(known: Session | None) -> None:
    first, second = enter(known), enter(known)
    assert first.fresh
    assert UUID(first.native_id).version == 4
    assert first.native_id != second.native_id


def test_a_known_conversation_is_resumed() -> None:
    native_id = "2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11"
    resume = enter(session(native_id))
    assert (resume.native_id, resume.fresh) == (native_id, False)


@pytest.mark.parametrize("native_id", ["my title", "word:text", "--continue", "gw-0123", "2f0d8a5e"])
def test_lesson_75_an_invalid_id_never_reaches_the_program(native_id: str) -> None:
    with pytest.raises(SessionNotResumable):
        enter(session(native_id))


@pytest.mark.parametrize(("mode", "level"), LEVEL_OF.items())
def test_a_permission_mode_chooses_its_level(mode: str, level: Posture) -> None:
    assert posture_of(ClaudeOptions(permissionMode=mode)) is level


def test_without_a_permission_mode_no_level_is_chosen() -> None:
    assert posture_of(ClaudeOptions()) is None
