"""The file itself: who may read it, which schema it has, what happens when it is not as it should be."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from llm_gateway import Job, JobId, JobState, Limits, Posture
from llm_gateway.errors import StoreUnavailable
from llm_gateway_store_sqlite.database import Database, migrations
from llm_gateway_store_sqlite.store import SqliteStore

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
LIMITS = Limits(running=10, per_provider=10, queued=10)
MANY = Limits(running=10, per_provider=10, queued=10_000)


def a_job(number: int = 1) -> Job:
    return Job(
        id=JobId(f"job-{number}"),
        provider="echo",
        state=JobState.QUEUED,
        principal="ada",
        owner="gateway-a",
        posture=Posture.PROMPTED,
        working_dir="/work",
        created_at=NOON,
    )


async def let_in(store: SqliteStore, job: Job, limits: Limits = LIMITS) -> Job:
    return (await store.admit(job, session=None, limits=limits, dedup_window_s=0, queue_if_busy=False)).job


def refusal(path: Path) -> StoreUnavailable:
    """What opening this file is refused with; nothing stays open."""

    async def main() -> StoreUnavailable:
        store = SqliteStore(str(path), busy_timeout_s=0.05)
        with pytest.raises(StoreUnavailable) as caught:
            await store.aopen()
        with pytest.raises(StoreUnavailable, match="not open"):
            await store.unfinished()
        await store.aclose()
        return caught.value

    return anyio.run(main)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


PRIVATE = {"gateway.db": 0o600, "gateway.db-wal": 0o600, "gateway.db-shm": 0o600}


@pytest.mark.parametrize("mask", [0o022, 0o000, 0o077], ids=oct)
def test_lesson_47_every_file_of_the_store_is_private(tmp_path: Path, mask: int) -> None:
    home = tmp_path / "home"

    async def main() -> None:
        store = SqliteStore(str(home / "gateway.db"))
        await store.aopen()
        await let_in(store, a_job())
        assert modes(home) == PRIVATE
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        await store.aclose()

    before = os.umask(mask)
    try:
        anyio.run(main)
    finally:
        os.umask(before)


def test_lesson_47_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    async def main() -> None:
        store, second = (SqliteStore(str(tmp_path / "gateway.db")) for _ in range(2))
        await store.aopen()
        await let_in(store, a_job())
        for name in PRIVATE:
            (tmp_path / name).chmod(0o644)
        await second.aopen()
        assert modes(tmp_path) == PRIVATE
        await second.aclose()
        await store.aclose()

    anyio.run(main)


def test_a_store_opened_again_keeps_everything(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        job = await let_in(store, a_job())
        await store.aclose()
        assert list(modes(tmp_path)) == ["gateway.db"], "nothing but the file is left of a closed store"
        again = SqliteStore(str(tmp_path / "gateway.db"))
        await again.aopen()
        assert list(await again.unfinished()) == [job]
        await again.aclose()

    anyio.run(main)


def test_migrations_are_numbered_without_gaps_and_end_at_the_schema_that_health_tells(tmp_path: Path) -> None:
    async def main() -> object:
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        health = await store.health()
        await store.aclose()
        return health["schema"]

    assert list(migrations()) == list(range(1, len(migrations()) + 1))
    assert anyio.run(main) == len(migrations())


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "0002_broken.sql"
    broken.write_text("CREATE TABLE half (a);\nCREATE TABLE half (a);\n")
    known = migrations()
    monkeypatch.setattr("llm_gateway_store_sqlite.database.migrations", lambda: {**known, 2: broken})
    assert "half already exists" in refusal(tmp_path / "gateway.db").message
    monkeypatch.undo()
    database = Database(str(tmp_path / "gateway.db"), 1.0)
    database.open()
    assert database.schema == len(known)
    assert database.read("SELECT 1 FROM sqlite_master WHERE name = 'half'", {}) == []
    database.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "gateway.db"), 1.0)
    database.open()
    database.connection.execute("PRAGMA user_version = 99")
    database.close()
    error = refusal(tmp_path / "gateway.db")
    assert "newer version (schema 99" in error.message
    assert "Upgrade" in (error.recovery or "")


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "gateway.db") as other:
        other.execute("CREATE TABLE jobs (theirs)")
    other.close()
    before = (tmp_path / "gateway.db").read_bytes()
    assert "another program" in refusal(tmp_path / "gateway.db").message
    assert (tmp_path / "gateway.db").read_bytes() == before


def test_a_file_that_another_gateway_makes_at_this_moment_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "gateway.db")
    connect = sqlite3.connect

    class Interrupted(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if "sqlite_master" in sql and not others:  # between two looks at the file
                monkeypatch.setattr(sqlite3, "connect", connect)
                others.append(Database(path, busy_timeout_s=0.05))
                with suppress(StoreUnavailable):  # it may well have to wait for us
                    others[0].open()
            return super().execute(sql, *parameters)  # type: ignore[arg-type]

    others: list[Database] = []
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **options, factory=Interrupted))
    ours = Database(path, busy_timeout_s=1)
    ours.open()
    assert others
    assert ours.schema == max(migrations())
    for database in (ours, *others):
        database.close()


@pytest.mark.parametrize(("system", "synced"), [("darwin", 1), ("linux", 0)])
def test_on_macos_a_checkpoint_writes_through_the_cache_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, synced: int
) -> None:
    database = Database(str(tmp_path / "gateway.db"), busy_timeout_s=1)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", system)
        database.open()
    assert database.connection.execute("PRAGMA checkpoint_fullfsync").fetchone() == (synced,)
    database.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"hello " * 1000)
    error = refusal(tmp_path / "gateway.db")
    assert "not an SQLite database" in error.message
    assert error.recovery


def test_a_damaged_file_is_a_typed_error(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        await let_in(store, a_job())
        await store.aclose()
        content = (tmp_path / "gateway.db").read_bytes()
        (tmp_path / "gateway.db").write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

        async def look() -> None:
            await store.aopen()
            await store.list_jobs()

        with pytest.raises(StoreUnavailable, match="is damaged") as caught:
            await look()
        await store.aclose()
        assert caught.value.recovery

    anyio.run(main)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    error = refusal(tmp_path / "home" / "gateway.db")
    assert str(tmp_path / "home") in error.message
    assert error.recovery


AS_A_STRANGER = """
import os, sys
for module in ("llm_gateway_store_sqlite.store", "anyio._backends._asyncio"):
    __import__(module)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
import anyio
from llm_gateway.errors import StoreUnavailable
from llm_gateway_store_sqlite.store import SqliteStore
try:
    anyio.run(SqliteStore(sys.argv[1]).aopen)
except StoreUnavailable as error:
    print(error.message, error.recovery)
"""


@pytest.mark.parametrize("there", [False, True], ids=["new file", "somebody else's file"])
def test_a_folder_that_may_not_be_written_is_a_typed_error(there: bool) -> None:
    with TemporaryDirectory() as folder:  # not below tmp_path, which a stranger may not even enter
        path = Path(folder, "gateway.db")
        if there:
            path.touch(0o600 if os.geteuid() == 0 else 0o000)
        os.chmod(folder, 0o555)
        told = subprocess.run(
            (sys.executable, "-c", AS_A_STRANGER, str(path)), capture_output=True, text=True, timeout=30, check=True
        )
        os.chmod(folder, 0o700)
    assert "cannot be opened" in told.stdout if there else "may not be opened by this user" in told.stdout
    assert "choose another [store] url" in told.stdout


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("PRAGMA max_page_count = 1", "the disk is full"), ("PRAGMA query_only = 1", "is read-only")],
    ids=["full disk", "read only"],
)
def test_lesson_18_what_cannot_be_written_is_a_typed_error_and_the_store_goes_on(
    tmp_path: Path, pragma: str, words: str
) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        kept = await let_in(store, a_job())
        await store._thread.run(lambda: store._database.read(pragma, {}))
        big = "x" * 100_000
        with pytest.raises(StoreUnavailable, match=words) as caught:
            await let_in(store, replace(a_job(2), model=big))
        assert caught.value.retryable
        assert caught.value.recovery
        await store._thread.run(
            lambda: [
                store._database.read(f"PRAGMA {undo}", {}) for undo in ("max_page_count = 99999", "query_only = 0")
            ]
        )
        assert list(await store.unfinished()) == [kept]
        await let_in(store, a_job(3))
        await store.aclose()

    anyio.run(main)


def test_files_are_synced_in_the_owner_thread_only_and_the_log_of_writes_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, threads = Database.checkpoint, []

    def noted(self: Database, *, whole: bool = False) -> None:
        threads.append(threading.get_ident())
        checkpoint(self, whole=whole)

    async def main() -> None:
        monkeypatch.setattr(Database, "checkpoint", noted)
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        automatic = await store._thread.run(lambda: store._database.read("PRAGMA wal_autocheckpoint", {}))
        assert automatic == [(0,)], "SQLite syncs files in none of its own calls"
        sizes = []
        for number in range(1000):
            await let_in(store, a_job(number), MANY)
            sizes.append((tmp_path / "gateway.db-wal").stat().st_size)
        await store.aclose()
        assert threads
        assert threading.get_ident() not in threads
        assert max(sizes) < 16 << 20
        assert max(sizes[500:]) < 1.5 * max(sizes[:500]), "it is started again from its beginning"

    anyio.run(main)


def test_a_large_log_of_writes_that_other_commands_left_is_cut_when_the_store_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.db"

    async def main() -> None:
        other = SqliteStore(str(path))
        await other.aopen()
        for number in range(20):
            await let_in(other, a_job(number), MANY)
        monkeypatch.setattr("llm_gateway_store_sqlite.database._LARGE_WAL_BYTES", 10_000)
        before = path.with_name("gateway.db-wal").stat().st_size
        store = SqliteStore(str(path))
        await store.aopen()
        assert path.with_name("gateway.db-wal").stat().st_size < before
        assert len(await store.unfinished()) == 20
        await store.aclose()
        await other.aclose()

    anyio.run(main)


def test_a_document_of_another_version_is_the_stores_failure_and_not_the_callers(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        job = await let_in(store, a_job())
        database = sqlite3.connect(tmp_path / "gateway.db")
        database.execute("UPDATE jobs SET doc = ?", (b'{"schema":99}',))
        database.commit()
        database.close()
        with pytest.raises(StoreUnavailable, match="job that this version cannot read"):
            await store.get_job(job.id)
        assert list(await store.prune(NOON)) == []
        await store.aclose()

    anyio.run(main)


def test_jobs_of_a_file_from_before_their_files_were_looked_at_are_kept_and_never_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.db"
    now = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
    document = (
        b'{"schema":1,"id":"job-1","provider":"echo","state":"queued","principal":"ada","owner":"g1","dedup_key":"k",'
        b'"posture":"prompted","working_dir":"/w","created_at":"2026-11-29T12:00:00Z"}'
    )
    micros = int(now.timestamp() * 1_000_000)
    known = {version: file for version, file in migrations().items() if version <= 4}
    with monkeypatch.context() as earlier:
        earlier.setattr("llm_gateway_store_sqlite.database.migrations", lambda: known)
        old = Database(str(path), 1.0)
        old.open()
        old.connection.execute(
            "INSERT INTO jobs (id, state, provider, principal, owner, dedup_key, created_at, ended_at, doc)"
            " VALUES ('job-1', 'completed', 'echo', 'ada', 'g1', 'k', ?, ?, ?)",
            (micros, micros, document),
        )
        old.close()

    async def main() -> None:
        store = SqliteStore(str(path))
        await store.aopen()
        try:
            job = await store.get_job(JobId("job-1"))
            assert job is not None
            assert (job.state, job.left_state) == (JobState.COMPLETED, None)
            assert await store.find_duplicate("ada", "k", "any", 3600, now) is None
            assert await store.find_duplicate("ada", "k", None, 3600, now) is None
        finally:
            await store.aclose()

    anyio.run(main)
