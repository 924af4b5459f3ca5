from __future__ import annotations

import json
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_dicts, as_text, objects_of, plausible_usd, token_count

EVENTS = [{"type": "init", "id": "é\u2028x"}, {"type": "text", "text": "a\\n{b}"}, {"type": "end", "n": 1}]
PLAIN = b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in EVENTS)


def read(data: bytes, cuts: list[int] | None = None) -> list[object]:
    lines = JsonLines()
    places = [0, *sorted(cuts or []), len(data)]
    found: list[object] = [event for start, stop in pairwise(places) for event in lines.feed(data[start:stop])]
    return [*found, *lines.rest()]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN.rstrip(b"\n"),
        PLAIN.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + PLAIN,
        b"\x1b[33mWaiting...\x1b[0m\n" + PLAIN,
        b"\x1b[33m" + PLAIN.replace(b"\n", b"\x1b[0m\n"),
        b"Loaded cached credentials.\n[STARTUP] phase: 0.24\n" + PLAIN,
        PLAIN.replace(b"\n", b"\n(node:7) [DEP0040] DeprecationWarning: x\n"),
        PLAIN + b"telemetry was shut down\nDEBUG {not json}\n",
        b'{"type":"half","message":\n' + PLAIN,
        b'DEBUG {"type": "an event that is quoted by a log"}\n' + PLAIN,
        b"Loaded cached credentials." + PLAIN,
        b"\xef\xbb\xbfbanner\n" + PLAIN,
        PLAIN.replace(b"}\n{", b"}{"),
        b"\x1b]0;title\x07" + PLAIN,
        b"[1]\n7\nnull\n\n\0\n" + PLAIN,
    ],
    ids=lambda data: repr(data[:30]),
)
def test_output_around_the_events_hides_none_of_them(data: bytes) -> None:
    assert read(data) == EVENTS
    for cut in range(len(data)):
        assert read(data, [cut]) == EVENTS


def test_after_a_gap_complete_lines_are_read() -> None:
    lines = JsonLines()
    found = list(lines.feed(b'{"a": 1}\n{"b":'))
    lines.gap()
    found += lines.feed(b'2}\n{"c": 3}\n')
    assert [*found, *lines.rest()] == [{"a": 1}, {"c": 3}]


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=4))
def test_any_bytes_give_only_objects(data: bytes, cuts: list[int]) -> None:
    found = read(data, [min(cut, len(data)) for cut in cuts])
    assert all(isinstance(event, dict) for event in found)
    assert found == read(data)


@pytest.mark.parametrize(
    "line", [b"[" * 2_000_000, b'{"a":' * 400_000, b"\x1b[" * 1_000_000, b"x" * 2_000_000 + b"{", b"{}" * 1_000_000]
)
def test_a_very_long_line_takes_linear_time(line: bytes) -> None:
    begun = time.thread_time()
    read(line + b"\n")
    assert time.thread_time() - begun < 5


@pytest.mark.parametrize(
    "value", [-1, -0.5, float("nan"), float("inf"), "12", None, True, 2**32 - 1, 2**63, 10**30, [], {}]
)
def test_an_impossible_count_is_unknown(value: object) -> None:
    assert token_count(value) is None
    assert value == 2**32 - 1 or value == 2**63 or plausible_usd(value) is None


@pytest.mark.parametrize("value", [0, 1, 4.0, 155_000, 10**9])
def test_a_possible_count_is_returned(value: float) -> None:
    assert token_count(value) == value


def test_a_value_of_another_type_is_an_empty_value() -> None:
    for value in (None, 3, [1], {"a": 1}, "x"):
        assert as_text(value) == (value if isinstance(value, str) else "")
        assert as_dict(value) == (value if isinstance(value, dict) else {})
        assert as_dicts([value]) == ([value] if isinstance(value, dict) else [])
    assert as_dicts(None) == []


def test_irrelevant_lines_are_skipped_but_an_object_after_one_is_read() -> None:
    lines = JsonLines(re.compile(rb'\{"type":"user"'))
    data = (
        b'{"type":"user","a":1}\n{"type":"user","text":"}{\\""}\n{"type":"user"}{"type":"result"}\n{"type": "user"}\n'
    )
    assert [found.get("type") for found in lines.feed(data)] == ["user", "result", "user"]


@pytest.mark.parametrize("before", [b"", b"words before "])
def test_a_line_of_millions_of_values_is_skipped_and_does_not_block_other_threads(before: bytes) -> None:
    line = before + b'{"type":"result","a":[' + b"[]," * 1_000_000 + b"0]}"
    assert list(objects_of(line)) == []


@pytest.mark.parametrize("before", [b"", b"words before "])
def test_a_long_answer_is_complete(before: bytes) -> None:
    text = "words and more words " * 20_000
    assert list(objects_of(before + json.dumps({"text": text}).encode())) == [{"text": text}]
