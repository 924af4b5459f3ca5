"""The reader with real output of the program, cut at every position."""

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import CostBasis, EndReason, EventKind, RunEnd, Summary
from llm_gateway_provider_echo.output import MAX_PARTIAL, EchoReader

EXITED = RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=datetime(2026, 1, 2, tzinfo=timezone.utc))
ReadBack = Callable[..., Summary]


def events(*facts: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(fact).encode() + b"\n" for fact in facts)


@pytest.mark.parametrize("scenario", ["steps", "odd_writes", "garbage", "crash_after_text", "quota", "empty"])
def test_lesson_12_the_same_summary_wherever_the_bytes_are_cut(echo: Any, scenario: str) -> None:
    output = echo.ask("drei — €漢ก — eins", scenario=scenario, amount=30).stdout
    whole = EchoReader()
    whole.feed("stdout", output)
    expected = whole.finish(EXITED)
    for cut in range(len(output) + 1):
        reader = EchoReader()
        reader.feed("stdout", output[:cut])
        reader.feed("stdout", output[cut:])
        assert reader.finish(EXITED) == expected


def test_lesson_12_the_same_summary_byte_by_byte(echo: Any, read_back: ReadBack) -> None:
    output = echo.ask(scenario="steps").stdout
    assert read_back(output, pieces=1) == read_back(output)


@given(junk=st.binary(), pieces=st.integers(1, 50))
def test_no_bytes_make_the_reader_raise(junk: bytes, pieces: int) -> None:
    reader = EchoReader()
    for start in range(0, len(junk), pieces):
        reader.feed("stdout", junk[start : start + pieces])
    assert reader.finish(EXITED).failed


facts = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(kind=st.sampled_from(["session", "text", "tool", "usage", "result", "error", "news"]), value=facts)
def test_no_value_in_an_event_makes_the_reader_raise(kind: str, value: object) -> None:
    names = ("id", "text", "model", "name", "detail", "inputTokens", "costUsd", "kind", "message")
    reader = EchoReader()
    reader.feed("stdout", events({"type": kind, **dict.fromkeys(names, value)}))
    reader.finish(EXITED)


def test_deep_nesting_is_unreadable_but_does_not_raise() -> None:
    reader = EchoReader()
    reader.feed("stdout", b"[" * 100_000 + b"\n")
    assert reader.finish(EXITED).failure == {"kind": "unreadable"}


def test_events_describe_the_run() -> None:
    reader = EchoReader()
    told = reader.feed(
        "stdout",
        events(
            {"type": "session", "id": "abc"},
            {"type": "tool", "name": "Read", "detail": "a\nfile"},
            {"type": "text", "text": "word " * 1000},
            {"type": "usage", "inputTokens": 1},
        ),
    )
    assert [event.kind for event in told] == [EventKind.SESSION, EventKind.TOOL, EventKind.TEXT]
    assert told[1].text == "Read: a file"
    assert told[2].text == "word " * 1000


def test_the_result_replaces_the_text_before_it(read_back: ReadBack) -> None:
    summary = read_back(events({"type": "text", "text": "thinking"}, {"type": "result", "text": "answer"}))
    assert (summary.text, summary.failed) == ("answer", False)


def test_a_recovered_error_is_not_a_failure(read_back: ReadBack) -> None:
    assert not read_back(events({"type": "error", "kind": "overloaded"}, {"type": "result", "text": "answer"})).failed


def test_lesson_19_an_error_event_fails_the_turn_whatever_the_exit_code(read_back: ReadBack) -> None:
    summary = read_back(events({"type": "error", "kind": "auth", "message": "who are you"}))
    assert summary.failed
    assert summary.failure["message"] == "who are you"


def test_lesson_5_without_a_result_the_text_is_kept_and_the_run_failed(read_back: ReadBack) -> None:
    summary = read_back(events({"type": "text", "text": "half "}, {"type": "text", "text": "an answer"}))
    assert (summary.text, summary.failed, summary.failure) == ("half an answer", True, {"kind": "no_result"})


def test_of_very_long_text_without_a_result_the_end_is_kept(read_back: ReadBack) -> None:
    summary = read_back(events(*({"type": "text", "text": f"{number:08}" * 1024} for number in range(1000))))
    assert len(summary.text) <= MAX_PARTIAL
    assert summary.text.endswith("00000999")


def test_a_last_line_without_a_line_break_is_read(read_back: ReadBack) -> None:
    assert read_back(events({"type": "result", "text": "answer"})[:-1]).text == "answer"


def test_lesson_10_an_answer_after_a_gap_is_found() -> None:
    reader = EchoReader()
    reader.feed("stdout", events({"type": "session", "id": "abc"}) + b'{"type": "text", "te')
    reader.gap("stdout")
    reader.feed("stdout", b'the other half"}\n' + events({"type": "result", "text": "answer"}))
    summary = reader.finish(EXITED)
    assert (summary.text, summary.native_id, summary.failed) == ("answer", "abc", False)


def test_stderr_is_never_read_as_events() -> None:
    reader = EchoReader()
    assert reader.feed("stderr", events({"type": "error", "kind": "auth"}, {"type": "result", "text": "no"})) == []
    reader.gap("stderr")
    assert reader.finish(EXITED).failure == {"kind": "no_result"}


def test_usage_and_cost_are_those_of_the_turn(read_back: ReadBack) -> None:
    usage = {"type": "usage", "inputTokens": 1, "outputTokens": 2, "cacheReadTokens": 3, "costUsd": 0.5}
    summary = read_back(events(usage, {"type": "result", "text": ""}))
    assert (summary.usage.input_tokens, summary.usage.output_tokens, summary.usage.cache_read_tokens) == (1, 2, 3)
    assert summary.usage.cache_creation_tokens is None
    assert (summary.cost.usd, summary.cost.basis) == (0.5, CostBasis.REPORTED)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 10**400, "7", None])
def test_invalid_numbers_are_unknown(read_back: ReadBack, value: object) -> None:
    summary = read_back(events({"type": "usage", "inputTokens": value, "costUsd": value}))
    assert (summary.usage.input_tokens, summary.cost.basis) == (None, CostBasis.UNKNOWN)
