from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import PurePath

import pytest

from llm_gateway import NativeSessionId, Posture, Prompt, Request, Session, new_session_id
from llm_gateway.errors import InvalidRequest, SessionNotResumable
from llm_gateway_provider_codex.options import LEVEL_OF, CodexOptions, posture_of
from llm_gateway_provider_codex.plugin import CodexProvider
from llm_gateway_provider_codex.resume import home, record_paths

PROVIDER = CodexProvider()
REQUEST = Request(provider="codex", prompt=Prompt(text="hello"), working_dir="/")
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
ID = "01a20495-379d-7a81-ba34-b17f7b5b50e3"


def session(native_id: str | None) -> Session:
    return Session(
        id=new_session_id(),
        provider="codex",
        principal="local",
        working_dir="/",
        native_id=NativeSessionId(native_id) if native_id else None,
        created_at=NOW,
        last_used_at=NOW,
    )


@pytest.mark.parametrize("known", [None, session(None)], ids=["no session", "no native id yet"])
def test_codex_chooses_the_id_of_a_new_conversation(known: Session | None) -> None:
    resume = PROVIDER.resume_session(REQUEST, known)
    assert (resume.fresh, resume.native_id) == (True, None)


def test_a_known_conversation_is_resumed() -> None:
    resume = PROVIDER.resume_session(REQUEST, session(ID))
    assert (resume.native_id, resume.fresh) == (ID, False)


@pytest.mark.parametrize("native_id", ["my title", "--last", "gw-0123", "01a20495", ID.upper(), ID + "\n", " " + ID])
def test_lesson_75_trap_3_an_invalid_id_never_reaches_the_program(native_id: str) -> None:
    with pytest.raises(SessionNotResumable):
        PROVIDER.resume_session(REQUEST, session(native_id))
    assert not re.fullmatch(PROVIDER.info.native_id_pattern, native_id)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
def test_a_record_is_named_after_the_local_time_of_its_id() -> None:
    """Measured: a conversation that was created in New York."""
    assert record_paths(ID, PurePath("/c"))[0] == f"/c/sessions/2026/11/22/rollout-2026-11-22T13-46-57-{ID}.jsonl"


def test_an_id_without_a_valid_time_has_no_record() -> None:
    assert record_paths("ffffffff-ffff-7fff-bfff-ffffffffffff", PurePath("/c")) == ()


@pytest.mark.parametrize(
    ("environ", "folder"),
    [({"CODEX_HOME": "/x", "HOME": "/h"}, "/x"), ({"HOME": "/h"}, "/h/.codex"), ({"CODEX_HOME": ""}, "/.codex")],
    ids=str,
)
def test_codex_home_is_the_folder_of_codex(environ: dict[str, str], folder: str) -> None:
    assert home(environ) == PurePath(folder)


@pytest.mark.parametrize(("mode", "level"), LEVEL_OF.items())
def test_a_sandbox_mode_chooses_its_level(mode: str, level: Posture) -> None:
    assert posture_of(CodexOptions(sandboxMode=mode)) is level


def test_full_auto_chooses_workspace_write_and_its_absence_no_level() -> None:
    assert posture_of(CodexOptions(fullAuto=True)) is Posture.WORKSPACE_WRITE
    assert posture_of(CodexOptions(fullAuto=True, sandboxMode="workspace-write")) is Posture.WORKSPACE_WRITE
    assert posture_of(CodexOptions(fullAuto=False)) is None
    assert posture_of(CodexOptions(fullAuto=False, sandboxMode="read-only")) is Posture.READ_ONLY
    assert posture_of(CodexOptions()) is None


@pytest.mark.parametrize("mode", ["read-only", "danger-full-access"])
def test_contradicting_options_are_refused(mode: str) -> None:
    with pytest.raises(InvalidRequest, match="fullAuto"):
        posture_of(CodexOptions(fullAuto=True, sandboxMode=mode))
