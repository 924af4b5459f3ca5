"""One line of JSON: parsed as the standard library does it, and never at the expense of everybody else."""

from __future__ import annotations

import json
import math
import threading
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import parse_line
from llm_gateway.model import lines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=40,
)


def outcome(parse: Any, line: bytes) -> Any:
    try:
        return parse(line)
    except ValueError:
        return ValueError


@given(value=VALUES, spaces=st.text(" \t\r", max_size=3), ascii_only=st.booleans())
def test_a_long_line_is_parsed_like_a_short_one(value: Any, spaces: str, ascii_only: bool) -> None:
    line = f"{spaces}{json.dumps(value, ensure_ascii=ascii_only)}{spaces}".encode("utf-8", "surrogatepass")
    short, lines._FAST_BYTES = lines._FAST_BYTES, -1  # every line is long
    try:
        long = parse_line(line)
    finally:
        lines._FAST_BYTES = short
    assert long == parse_line(line) == json.loads(line)


@given(line=st.binary(max_size=60) | st.text('{}[]",:0123456789eE+-.\\untrfalse ', max_size=60).map(str.encode))
def test_what_is_no_json_is_refused_in_one_way_whatever_its_length(line: bytes) -> None:
    short, lines._FAST_BYTES = lines._FAST_BYTES, -1
    try:
        long = outcome(parse_line, line)
    finally:
        lines._FAST_BYTES = short
    assert repr(long) == repr(outcome(parse_line, line)) == repr(outcome(json.loads, line))  # repr: NaN is not itself


@pytest.mark.parametrize("unit", [b"[],", b"0,", b'{"a":1},', b'"a",'])
def test_a_line_of_millions_of_small_values_is_refused(unit: bytes) -> None:
    with pytest.raises(ValueError, match="more than"):
        parse_line(b"[" + unit * 1_000_000 + b"0]")


@pytest.mark.parametrize(
    "line", [b"[" * 60_000, b"[" * 6_000_000, b'{"a":' * 1_000_000], ids=["short", "lists", "objects"]
)
def test_a_line_that_is_nested_without_end_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"nested|Expecting"):
        parse_line(line)


def test_long_strings_come_back_whole() -> None:
    text = 'words \\ " \n é 漢 ' * 100_000
    assert parse_line(json.dumps({"type": "result", "text": text}).encode()) == {"type": "result", "text": text}
    assert math.isnan(parse_line(b'{"a": NaN, "b": "' + b"x" * 100_000 + b'"}')["a"])


def test_other_threads_work_while_a_long_line_is_parsed() -> None:
    line = b"[" + b'{"a":1},' * 12_000 + b"0]"
    over = threading.Event()
    gaps: list[float] = []

    def tick() -> None:
        last = time.monotonic()
        while not over.is_set():
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    beside = threading.Thread(target=tick)
    beside.start()
    try:
        for _ in range(5):
            parse_line(line)
    finally:
        over.set()
        beside.join()
    assert len(gaps) > 20, "the other thread stood still"
