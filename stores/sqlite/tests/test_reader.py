"""The reader for short commands gives what the store gives."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import Job, JobId, JobState, Limits, NativeSessionId, Posture, Reply, SessionId, job_view
from llm_gateway_store_sqlite.reader import open_reader
from llm_gateway_store_sqlite.store import SqliteStore

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
LIMITS = Limits(running=100, per_provider=100, queued=100)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=20)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    reply = None
    state = draw(st.sampled_from(JobState))
    if state.ended and draw(st.booleans()):
        reply = Reply(
            model=draw(st.none() | texts),
            native_id=draw(st.none() | texts.map(NativeSessionId)),
            duration_s=draw(st.floats(0, 1e6)),
            text_chars=draw(st.integers(0, 10)),
            structured=draw(st.none() | st.lists(texts)),
        )
    return Job(
        id=JobId("job-x"),
        provider=draw(st.sampled_from(["one", "two"])),
        state=state,
        principal=draw(st.sampled_from(["local", "other"])),
        owner=draw(st.sampled_from(["g1", "g2"])),
        session_id=draw(st.none() | st.just(SessionId("gw-1"))),
        correlation_id=draw(texts),
        model=draw(st.none() | texts),
        posture=draw(st.sampled_from(Posture)),
        working_dir="/" + draw(texts),
        approval={"policy": "p"},
        created_at=NOW,
        ended_at=NOW + timedelta(seconds=1) if state.ended else None,
        reply=reply,
        error_code=draw(st.none() | st.just("timeout")) if state is JobState.FAILED else None,
    )


async def _fill(store: SqliteStore, given_jobs: list[Job]) -> None:
    for number, job in enumerate(given_jobs):
        begun = replace(
            job, id=JobId(f"job-{number}"), state=JobState.RUNNING, ended_at=None, reply=None, session_id=None
        )
        await store.admit(begun, session=None, limits=LIMITS, dedup_window_s=0, queue_if_busy=True)
        if job.state.ended:
            ended = replace(job, id=begun.id, started_at=NOW, session_id=None)
            await store.finish_job(ended, owner=job.owner, record=None)


async def _compare(home: Path, given_jobs: list[Job], limit: int) -> None:
    store = SqliteStore(str(home / "gateway.db"))
    await store.aopen()
    try:
        await _fill(store, given_jobs)
        reader = open_reader("sqlite:", str(home))
        assert reader is not None
        try:
            for states in (None, [JobState.RUNNING], [JobState.COMPLETED], [JobState.QUEUED, JobState.FAILED]):
                for provider in (None, "one"):
                    expected = await store.list_jobs(principal="local", states=states, provider=provider, limit=limit)
                    values = None if states is None else [state.value for state in states]
                    found = reader.list_jobs(states=values, provider=provider, limit=limit)
                    assert list(found) == [job_view(job) for job in expected]
            unfinished = await store.unfinished()
            assert set(reader.unfinished_owners()) == {job.owner for job in unfinished}
        finally:
            reader.close()
    finally:
        await store.aclose()


@given(st.lists(jobs(), max_size=4), st.integers(1, 5))
def test_the_reader_lists_what_the_store_lists(
    tmp_path_factory: pytest.TempPathFactory, given_jobs: list[Job], limit: int
) -> None:
    asyncio.run(_compare(tmp_path_factory.mktemp("home"), given_jobs, limit))


def _made(home: Path) -> Path:
    async def make() -> None:
        store = SqliteStore(str(home / "gateway.db"))
        await store.aopen()
        await store.aclose()

    asyncio.run(make())
    return home / "gateway.db"


@pytest.mark.parametrize("pragma", ["user_version = 1", "user_version = 999", "application_id = 5"])
def test_a_file_of_another_version_or_program_is_left_to_the_store(tmp_path: Path, pragma: str) -> None:
    path = _made(tmp_path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()
    assert open_reader("sqlite:", str(tmp_path)) is None


def test_a_file_that_others_can_read_is_left_to_the_store(tmp_path: Path) -> None:
    _made(tmp_path).chmod(0o644)
    assert open_reader("sqlite:", str(tmp_path)) is None


def test_a_file_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_reader("sqlite:", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a%20b", "what?", "#1", "ümlaut"])
def test_odd_names_name_the_same_file_as_in_the_store(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(0o700)
    _made(folder)
    reader: Any = open_reader(f"sqlite://{folder}/gateway.db", "/nowhere")
    assert reader.list_jobs() == []
    reader.close()


def test_the_reader_changes_nothing(tmp_path: Path) -> None:
    _made(tmp_path)
    reader: Any = open_reader("sqlite:", str(tmp_path))
    with pytest.raises(sqlite3.OperationalError):
        reader._connection.execute("DELETE FROM jobs")
    reader.close()
    assert sorted(os.listdir(tmp_path)) == ["gateway.db"]
