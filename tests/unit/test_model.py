from dataclasses import asdict
from datetime import datetime, timezone
from unittest.mock import AsyncMock

import pytest
from hypothesis import given, strategies as st

from llm_gateway import (
    Failure,
    Job,
    JobState,
    LineSplitter,
    Notice,
    Posture,
    Reply,
    Resource,
    error_for,
    from_json,
    new_job_id,
    to_json,
)

#: Bytes that a line keeps, wherever they stand in it.
kept = st.binary(max_size=20).map(lambda line: line.translate(None, b"\n\r\x1b\xef"))


@given(st.lists(kept), st.lists(st.integers(1, 7)))
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], sizes: list[int]) -> None:
    data, splitter, got = b"".join(line + b"\n" for line in lines), LineSplitter(), []
    while data:
        size = sizes[len(got) % len(sizes)] if sizes else 3
        got += splitter.feed(data[:size])
        data = data[size:]
    assert got == lines
    assert splitter.rest() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"one\r\ntwo\r\n",
        b"\xef\xbb\xbfone\ntwo\n",
        b"\x1b[33mone\x1b[0m\n\x1b]0;title\x07two\n",
        b"\x1b[0m\xef\xbb\xbfone\r\ntwo\x1b[K\r\n",
    ],
)
def test_lesson_92_a_line_comes_without_what_is_no_part_of_it(data: bytes) -> None:
    for cut in range(len(data)):
        splitter = LineSplitter()
        assert [*splitter.feed(data[:cut]), *splitter.feed(data[cut:])] == [b"one", b"two"]


def test_a_line_that_is_too_long_is_dropped_whole_and_counted() -> None:
    splitter = LineSplitter(max_line=4)
    assert list(splitter.feed(b"12")) + list(splitter.feed(b"345\n12\n")) == [b"12"]
    assert splitter.dropped == 1


def test_a_gap_drops_the_half_lines_on_both_sides() -> None:
    splitter = LineSplitter()
    first = list(splitter.feed(b"one\ntw"))
    splitter.gap()
    assert [*first, *splitter.feed(b"ree\nfour\n")] == [b"one", b"four"]
    assert splitter.dropped == 1


def test_a_job_survives_json() -> None:
    failure = Failure(
        code="quota_exhausted", message="m", reset_at=datetime(2026, 1, 2, tzinfo=timezone.utc), retryable=False
    )
    reply = Reply(failure=failure, notices=(Notice(code="a", message="b"),))
    job = Job(
        id=new_job_id(),
        provider="p",
        state=JobState.FAILED,
        principal="local",
        owner="g1",
        posture=Posture.PLAN,
        working_dir="/ünï",
        created_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
        reply=reply,
    )
    assert from_json(Job, to_json(job)) == job


def test_a_failure_that_was_stored_before_it_could_say_whether_to_retry_is_read() -> None:
    stored = b'{"schema":1,"failure":{"code":"overloaded","message":"m","reset_at":"2026-01-01T00:00:00Z"}}'
    failure = from_json(Reply, stored).failure
    assert failure is not None
    assert failure.retryable is None
    assert error_for(**asdict(failure)).to_wire()["retryable"] is True


def test_job_ids_sort_by_time_and_are_never_the_same() -> None:
    ids = [new_job_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [i[:15] for i in ids] == sorted(i[:15] for i in ids)


@pytest.mark.parametrize(
    ("template", "uri", "variables"),
    [
        ("jobs://{jobId}", "jobs://job-1", {"jobId": "job-1"}),
        ("jobs://{jobId}", "jobs://a/b", None),
        ("cache-state://global", "cache-state://global", {}),
    ],
)
def test_lesson_62_a_resource_knows_its_uris(template: str, uri: str, variables: object) -> None:
    assert Resource(uri=template, name="any", description="Any.", read=AsyncMock()).match(uri) == variables
