"""A provider for JSON lines says what one line means; the base does the rest."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies as st

from llm_gateway import (
    CostBasis,
    EndReason,
    EventKind,
    FinishedRun,
    Invocation,
    NativeSessionId,
    Posture,
    Prompt,
    ProviderInfo,
    Request,
    Resume,
    RunEnd,
    Session,
    SessionId,
    Summary,
)
from llm_gateway.errors import SessionNotResumable
from llm_gateway_provider_kit.conversations import UUID
from llm_gateway_provider_kit.failures import FailureRule, Sign
from llm_gateway_provider_kit.json_lines import JsonLinesProvider, JsonLinesReader, Turn

ID = "0a1b2c3d-0000-4000-8000-00000000abcd"
NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
REQUEST = Request(provider="mine", prompt=Prompt(text="hello"), options=None, working_dir="/")


class Mine(JsonLinesProvider):
    info = ProviderInfo(name="mine", title="Mine", executable="mine", postures=tuple(Posture), native_id_pattern=UUID)
    rules = (FailureRule(code="bad_model", message="No such model.", signs=(Sign(words="no model"),)),)

    def build_argv(self, request: Request, posture: Posture, resume: Resume) -> Invocation:
        return Invocation(argv=("mine",))

    def read(self, turn: Turn, line: dict[str, Any]) -> None:
        kind, text = line.get("type"), line.get("text")
        if kind == "session":
            turn.session(line.get("id"), line.get("model"))
        elif kind == "say":
            turn.say(text)
        elif kind == "tool":
            turn.tool(line.get("name"), text)
        elif kind == "tokens":
            turn.tokens(input_tokens=line.get("in"), output_tokens=line.get("out"))
            turn.cost(line.get("usd"))
        elif kind == "end":
            turn.end(text)
        elif kind == "error":
            turn.fail(text, status=line.get("status"), kinds=[line.get("kind")])
        elif kind == "note":
            turn.facts["note"] = text
            turn.notice("noted", str(text))


class Messages(Mine):
    joined_by: ClassVar[str] = "\n\n"
    chooses_id: ClassVar[bool] = True


def ended(exit_code: int = 0) -> RunEnd:
    return RunEnd(reason=EndReason.EXITED, exit_code=exit_code, ended_at=NOW)


def read(*lines: object, provider: Mine | None = None) -> Summary:
    reader = (provider or Mine()).open_reader(REQUEST)
    list(reader.feed("stdout", "".join(f"{json.dumps(line)}\n" for line in lines).encode()))
    return reader.finish(ended())


def session(native_id: str | None) -> Session:
    native = None if native_id is None else NativeSessionId(native_id)
    return Session(
        id=SessionId("gw-1"),
        provider="mine",
        principal="local",
        working_dir="/",
        native_id=native,
        created_at=NOW,
        last_used_at=NOW,
    )


def test_an_answer_has_its_text_conversation_tokens_and_cost() -> None:
    summary = read(
        {"type": "session", "id": ID, "model": "large"},
        {"type": "say", "text": "hel"},
        {"type": "say", "text": "lo"},
        {"type": "tokens", "in": 3, "out": 4, "usd": 0.5},
        {"type": "tokens", "in": 2, "out": None},
        {"type": "end"},
    )
    assert (summary.text, summary.native_id, summary.model, summary.failed) == ("hello", ID, "large", False)
    assert (summary.usage.input_tokens, summary.usage.output_tokens, summary.usage.cache_read_tokens) == (5, 4, None)
    assert (summary.cost.usd, summary.cost.basis) == (0.5, CostBasis.REPORTED)


def test_the_text_of_the_end_is_the_whole_answer() -> None:
    assert read({"type": "say", "text": "thinking"}, {"type": "end", "text": "42"}).text == "42"


def test_whole_messages_are_joined_by_what_the_provider_says() -> None:
    assert (
        read({"type": "say", "text": "a"}, {"type": "say", "text": "b"}, {"type": "end"}, provider=Messages()).text
        == "a\n\nb"
    )


def test_output_without_an_end_has_failed_and_keeps_its_text() -> None:
    summary = read({"type": "say", "text": "hal"})
    assert (summary.text, summary.failed, summary.failure["ended"]) == ("hal", True, False)


def test_a_failure_has_its_facts_but_not_as_part_of_the_answer() -> None:
    summary = read(
        {"type": "session", "id": ID},
        {"type": "say", "text": "some"},
        {"type": "say", "text": "no model x"},
        {"type": "error", "text": "no model x", "status": 404, "kind": "not_found"},
    )
    assert (summary.text, summary.failed) == ("some", True)
    assert summary.failure == {
        "message": "no model x", "status": 404, "kinds": ["not_found"], "ended": True, "started": True
    }  # fmt: skip


def test_the_last_end_or_error_decides() -> None:
    assert not read({"type": "error", "text": "retrying"}, {"type": "end", "text": "ok"}).failed
    assert read({"type": "end", "text": "ok"}, {"type": "error", "text": "lost"}).failed


def test_failures_are_explained_by_the_rules_of_the_provider_and_the_shared_ones() -> None:
    def code(*lines: object, exit_code: int = 1, stderr: str = "") -> str:
        run = FinishedRun(
            request=REQUEST,
            posture=Posture.PLAN,
            resume=Resume(),
            end=ended(exit_code),
            summary=read(*lines),
            stderr_tail=stderr,
        )
        failure = Mine().explain_failure(run)
        assert failure
        return failure.code

    assert code({"type": "error", "text": "no model x"}) == "bad_model"
    assert code({"type": "error", "text": "overloaded", "status": 529}) == "overloaded"
    assert code({"type": "say", "text": "hal"}, exit_code=0) == "output_unreadable"
    assert code(stderr="please log in") == "auth_required"


def test_events_are_short_lines() -> None:
    reader = Mine().open_reader(REQUEST)
    lines = (
        {"type": "session", "id": ID},
        {"type": "session", "id": ID},
        {"type": "say", "text": "two\nlines " + "x" * 1000},
        {"type": "say", "text": " \n "},
        {"type": "tool", "name": "Bash", "text": "ls\n-l"},
    )
    events = list(reader.feed("stdout", "".join(f"{json.dumps(line)}\n" for line in lines).encode()))
    assert [event.kind for event in events] == [EventKind.SESSION, EventKind.TEXT, EventKind.TOOL]
    assert events[2].text == "Bash ls -l"
    assert all(len(event.text) <= 200 and "\n" not in event.text for event in events)


def test_notes_and_notices_are_kept() -> None:
    summary = read({"type": "note", "text": "one"}, {"type": "note", "text": "two"}, {"type": "end"})
    assert summary.failure["note"] == "two"
    assert [(notice.code, notice.message) for notice in summary.notices] == [("noted", "one")]


def test_a_very_long_partial_answer_keeps_its_end() -> None:
    pieces = [{"type": "say", "text": f"{number:05d}" * 20_000} for number in range(60)]
    text = read(*pieces).text
    assert len(text) <= 4 * 1024 * 1024
    assert text.endswith("00059")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
LINES = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["session", "say", "tool", "tokens", "end", "error", "note"])},
        optional=dict.fromkeys(("id", "model", "text", "name", "in", "out", "usd", "status", "kind"), JSON),
    ),
    max_size=8,
)


@given(lines=LINES, size=st.integers(1, 40))
def test_any_values_in_any_pieces_give_the_same_summary(lines: list[Any], size: int) -> None:
    output = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    whole, pieces = Mine().open_reader(REQUEST), Mine().open_reader(REQUEST)
    list(whole.feed("stdout", output))
    for start in range(0, len(output), size):
        list(pieces.feed("stdout", output[start : start + size]))
    assert repr(whole.finish(ended())) == repr(pieces.finish(ended()))


@pytest.mark.parametrize("native_id", ["", "latest", "--resume", f"{ID}\n", ID.upper()])
def test_an_id_of_another_form_is_not_resumed(native_id: str) -> None:
    with pytest.raises(SessionNotResumable, match="not one of Mine: those are UUIDs"):
        Mine().resume_session(REQUEST, session(native_id))


def test_a_conversation_is_resumed_by_its_id_and_a_new_one_has_an_id_if_the_cli_takes_one() -> None:
    assert Mine().resume_session(REQUEST, session(ID)) == Resume(native_id=NativeSessionId(ID), fresh=False)
    assert Mine().resume_session(REQUEST, None) == Mine().resume_session(REQUEST, session(None)) == Resume()
    first, second = (Messages().resume_session(REQUEST, None).native_id for _ in range(2))
    assert first
    assert first != second


class Noisy(JsonLinesReader):
    """Reads standard error too."""

    def __init__(self) -> None:
        super().__init__(stderr=True)
        self.lines: list[object] = []

    def read(self, line: dict[str, Any]) -> tuple[()]:
        self.lines.append(line)
        return ()

    def read_stderr(self, line: bytes) -> tuple[()]:
        self.lines.append(line)
        return ()

    def summary(self, end: RunEnd) -> Summary:
        return Summary(text=repr(self.lines))


def test_a_reader_gets_the_last_lines_without_a_line_break_of_both_streams() -> None:
    reader = Noisy()
    list(reader.feed("stderr", b"one\ntw"))
    list(reader.feed("stdout", b'{"a": 1}\n{"b": 2}'))
    assert reader.finish(ended()).text == repr([b"one", {"a": 1}, {"b": 2}, b"tw"])


def test_a_line_with_a_gap_is_dropped() -> None:
    reader = Noisy()
    list(reader.feed("stdout", b'{"a": 1, "x'))
    list(reader.feed("stderr", b"hal"))
    reader.gap("stdout")
    reader.gap("stderr")
    list(reader.feed("stdout", b'y": 2}\n{"b": 3}\n'))
    list(reader.feed("stderr", b"f\nwhole\n"))
    assert reader.lines == [{"b": 3}, b"whole"]
