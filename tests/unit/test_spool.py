"""Job files are written and read through the spool of the engine."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_gateway import JobId
from llm_gateway.errors import Interrupted
from llm_gateway.jobs.job_files import keep_reply, read_reply
from llm_gateway.jobs.spool import FolderSpool, spool_of

JOB = JobId("job-1")


@pytest.fixture
def spool(tmp_path: Path) -> FolderSpool:
    (tmp_path / "jobs").mkdir()
    return FolderSpool(tmp_path)


def test_a_file_is_replaced_whole_read_and_deleted(spool: FolderSpool) -> None:
    for data in (b"first and long", b"last"):
        spool.write(JOB, "notes", data)
    assert spool.read(JOB, "notes", 100) == b"last"
    with spool.open(JOB, "notes") as file:
        assert (file.seek(2), file.read()) == (2, b"st")
    spool.delete(JOB, "notes")
    with pytest.raises(FileNotFoundError):
        spool.read(JOB, "notes", 100)
    with pytest.raises(FileNotFoundError):
        spool.delete(JOB, "notes")


def test_other_users_can_read_neither_the_folder_nor_the_file(spool: FolderSpool, tmp_path: Path) -> None:
    spool.write(JOB, "notes", b"x")
    folder = tmp_path / "jobs" / JOB
    assert [path.stat().st_mode & 0o077 for path in (folder, folder / "notes")] == [0, 0]


def test_no_more_than_the_limit_is_read(spool: FolderSpool) -> None:
    spool.write(JOB, "notes", b"x" * 101)
    assert len(spool.read(JOB, "notes", 100)) == 100


def test_what_an_agent_put_in_the_place_of_a_file_is_not_used(spool: FolderSpool, tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / JOB
    spool.write(JOB, "linked", b"mine")
    (tmp_path / "secret").write_text("words")
    (folder / "symlink").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "fifo")
    (folder / "directory").mkdir()
    os.link(folder / "linked", folder / "second")
    for name in ("symlink", "fifo", "directory", "linked"):
        with pytest.raises(OSError, match=r"."):
            spool.read(JOB, name, 100)
        with pytest.raises(OSError, match=r"."):
            spool.open(JOB, name)
    with pytest.raises(Interrupted, match="a directory has this name"):
        spool.write(JOB, "directory", b"x")


def test_drafts_of_the_named_files_are_deleted_and_nothing_else(spool: FolderSpool, tmp_path: Path) -> None:
    spool.write(JOB, "notes", b"x")
    folder = tmp_path / "jobs" / JOB
    for name in (".notes.1234", ".other.1234", "notes.1234"):
        (folder / name).touch()
    (folder / ".notes.directory").mkdir()
    spool.tidy(JOB, ("notes",))
    assert sorted(path.name for path in folder.iterdir()) == [".notes.directory", ".other.1234", "notes", "notes.1234"]
    spool.tidy(JobId("job-gone"), ("notes",))


def test_jobs_with_old_files_are_leftovers(spool: FolderSpool, tmp_path: Path) -> None:
    now = datetime.now(timezone.utc)
    for name in ("job-old", "job-new"):
        spool.write(JobId(name), "notes", b"x")
    moment = (now - timedelta(days=9)).timestamp()
    os.utime(tmp_path / "jobs" / "job-old", (moment, moment))
    assert spool.leftovers(now - timedelta(days=2)) == ["job-old"]


def test_an_engine_may_have_a_spool_of_its_own(tmp_path: Path) -> None:
    kept: dict[tuple[str, str], bytes] = {}

    class Elsewhere(FolderSpool):
        def write(self, job_id: JobId, name: str, data: bytes) -> None:
            kept[job_id, name] = data

    own = Elsewhere(tmp_path)
    engine: Any = SimpleNamespace(spool=lambda: own)
    assert spool_of(engine, tmp_path) is own
    keep_reply(spool_of(engine, tmp_path), JOB, "größer")
    assert kept == {(JOB, "reply.txt"): "größer".encode()}
    assert list(tmp_path.iterdir()) == []


def test_other_engines_have_their_job_files_in_the_home(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    engine: Any = SimpleNamespace()
    keep_reply(spool_of(engine, tmp_path), JOB, "größer")
    assert (tmp_path / "jobs" / JOB / "reply.txt").read_text("utf-8") == "größer"
    assert read_reply(spool_of(engine, tmp_path), JOB, 6, 2, 3) == "öße"
