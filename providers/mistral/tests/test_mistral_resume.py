from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from llm_gateway import NativeSessionId, Posture, Prompt, Request, Session, new_session_id
from llm_gateway.errors import SessionNotResumable
from llm_gateway_provider_mistral.options import LEVEL_OF, MistralOptions, posture_of
from llm_gateway_provider_mistral.resume import enter

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
ID = "1f7b41fd-33a4-ab1d-41c4-e05ef2162cdd"


def request(**asked: Any) -> Request:
    return Request(**{"provider": "mistral", "prompt": Prompt(text="x"), "working_dir": "/w", **asked})


def session(native_id: str | None = ID, **settings: Any) -> Session:
    return Session(
        id=new_session_id(),
        provider="mistral",
        principal="local",
        working_dir="/w",
        native_id=NativeSessionId(native_id) if native_id else None,
        settings=settings,
        created_at=NOW,
        last_used_at=NOW,
    )


@pytest.mark.parametrize("known", [None, session(None)], ids=["no session", "no native id yet"])
def test_vibe_chooses_the_id_of_a_new_conversation(known: Session | None) -> None:
    resume = enter(request(), known)
    assert (resume.native_id, resume.fresh) == (None, True)


def test_a_known_conversation_of_vibe_is_resumed() -> None:
    resume = enter(request(), session(posture="accept_edits"))
    assert (resume.native_id, resume.fresh) == (ID, False)


@pytest.mark.parametrize("native_id", ["my title", "--continue", "gw-0123", "1f7b41fd", f"{ID}0"])
def test_lesson_75_the_beginning_of_an_id_never_reaches_vibe(native_id: str) -> None:
    with pytest.raises(SessionNotResumable):
        enter(request(), session(native_id, posture="prompted"))


def test_trap_2_rights_are_fixed_so_a_conversation_begun_elsewhere_is_refused() -> None:
    with pytest.raises(SessionNotResumable, match="rights"):
        enter(request(), session())


def test_trap_3_the_directory_is_fixed_so_another_one_is_refused() -> None:
    with pytest.raises(SessionNotResumable, match="directory"):
        enter(request(working_dir="/elsewhere"), session(posture="prompted"))
    assert not enter(request(working_dir="/w/"), session(posture="prompted")).fresh


@pytest.mark.parametrize(("first", "now"), [("small", "large"), (None, "large")], ids=repr)
def test_trap_the_model_is_fixed_so_another_one_is_refused(first: str | None, now: str) -> None:
    known = session(posture="prompted", **({"model": first} if first else {}))
    with pytest.raises(SessionNotResumable, match="model"):
        enter(request(model=now), known)
    assert not enter(request(model=first), known).fresh


@pytest.mark.parametrize(("mode", "level"), LEVEL_OF.items())
def test_a_permission_mode_of_vibe_chooses_its_level(mode: str, level: Posture) -> None:
    assert posture_of(MistralOptions.model_validate({"permissionMode": mode})) is level


def test_without_a_permission_mode_no_level_is_chosen() -> None:
    assert posture_of(MistralOptions()) is None
