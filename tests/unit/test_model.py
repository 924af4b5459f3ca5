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
    from_json,
    new_job_id,
    to_json,
)


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b)), st.lists(st.integers(1, 7)))
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], sizes: list[int]) -> None:
    data, splitter, got = b"".join(line + b"\n" for line in lines), LineSplitter(), []
    while data:
        size = sizes[len(got) % len(sizes)] if sizes else 3
        got += splitter.feed(data[:size])
        data = data[size:]
    assert got == lines
    assert splitter.rest() == b""


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
    reply = Reply(failure=Failure(code="timeout", message="m"), notices=(Notice(code="a", message="b"),))
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
