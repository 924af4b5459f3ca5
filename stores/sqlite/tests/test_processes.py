"""Several processes on one file: they agree, they wait for each other, and none takes the others down with it."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway import Limits
from llm_gateway.errors import StoreUnavailable
from llm_gateway_store_sqlite.database import migrations
from llm_gateway_store_sqlite.store import SqliteStore

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
LIMITS = Limits(running=10, per_provider=10, queued=10)

#: A gateway in miniature: `path name what`. Says "ready", waits for a line on stdin, then does it.
GATEWAY = """
import sys, json, anyio
from dataclasses import replace
from datetime import datetime, timezone
from llm_gateway import Job, JobState, Limits, Posture, Record, new_job_id
from llm_gateway.errors import Saturated
from llm_gateway_store_sqlite.store import SqliteStore

path, name, what = sys.argv[1:]
noon = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

async def let_in(store, limits, key=None):
    job = Job(id=new_job_id(), provider="echo", state=JobState.QUEUED, principal="ada", owner=name, dedup_key=key,
              posture=Posture.PROMPTED, working_dir="/work", created_at=noon)
    return (await store.admit(job, session=None, limits=limits, dedup_window_s=3600, queue_if_busy=False)).job

async def main():
    store = SqliteStore(path)
    if what != "race":
        await store.aopen()
    print("ready", flush=True)
    sys.stdin.readline()
    if what == "same":
        found = set()
        async with anyio.create_task_group() as group:
            async def ask():
                found.add((await let_in(store, Limits(running=9, per_provider=9, queued=9), "key")).id)
            for _ in range(20):
                group.start_soon(ask)
        print(json.dumps(sorted(found)), flush=True)
    if what == "crowd":
        states = []
        for _ in range(10):
            try:
                states.append((await let_in(store, Limits(running=3, per_provider=3, queued=4))).state.value)
            except Saturated:
                states.append("saturated")
        print(json.dumps(states), flush=True)
    if what == "count":
        for number in range(250):
            job = await let_in(store, Limits(running=10**6, per_provider=10**6, queued=1))
            over = replace(job, state=JobState.COMPLETED, ended_at=noon)
            record = Record(job_id=job.id, principal="ada", correlation_id="c", provider="echo", model="m",
                            posture=Posture.PROMPTED, started_at=noon, ended_at=noon, outcome="completed")
            counts = {("hour", "1"): {"turns": 1, "tokens": number}, ("session", name): {"turns": 1}}
            await store.finish_job(over, owner=name, record=record, counts=counts)
        print(json.dumps(name), flush=True)
    if what == "race":
        await store.aopen()
        print(json.dumps((await store.health())["schema"]), flush=True)
    while what == "for ever":
        print((await let_in(store, Limits(running=10**6, per_provider=10**6, queued=1))).id, flush=True)
    await store.aclose()

anyio.run(main)
"""


def a_gateway(path: Path, name: str, what: str, python: tuple[str, ...] = (sys.executable,)) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (*python, "-c", GATEWAY, str(path), name, what),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def four_at_once(path: Path, what: str, python: tuple[str, ...]) -> list[Any]:
    """What four processes say that begin together."""
    gateways = [a_gateway(path, f"gateway-{number}", what, python) for number in range(4)]
    try:
        assert [gateway.stdout.readline() for gateway in gateways if gateway.stdout] == ["ready\n"] * 4
        for gateway in gateways:
            assert gateway.stdin
            gateway.stdin.write("go\n")
            gateway.stdin.flush()
        said = [gateway.communicate(timeout=30)[0] for gateway in gateways]
        assert [gateway.returncode for gateway in gateways] == [0] * 4
        return [json.loads(words) for words in said]
    finally:
        for gateway in gateways:
            gateway.kill()
            gateway.communicate()


def test_lesson_27_eighty_identical_requests_from_four_processes_become_one_job(
    python: tuple[str, ...], tmp_path: Path
) -> None:
    found = four_at_once(tmp_path / "gateway.db", "same", python)
    assert len(found[0]) == 1
    assert found == [found[0]] * 4


def test_lesson_16_four_processes_share_one_set_of_limits(python: tuple[str, ...], tmp_path: Path) -> None:
    answers = [state for states in four_at_once(tmp_path / "gateway.db", "crowd", python) for state in states]
    assert [answers.count(state) for state in ("running", "queued", "saturated")] == [3, 4, 33]


def test_lesson_69_four_processes_that_count_at_once_lose_nothing(python: tuple[str, ...], tmp_path: Path) -> None:
    names = four_at_once(tmp_path / "gateway.db", "count", python)

    async def counted(scope: str, key: str) -> list[Any]:
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        found = await store.tallies(principal="ada", scope=scope, first=key)
        await store.aclose()
        return [tally.counts for tally in found]

    assert anyio.run(counted, "hour", "1") == [{"turns": 1_000, "tokens": 4 * sum(range(250))}]
    assert [anyio.run(counted, "session", name) for name in names] == [[{"turns": 250}]] * 4


def test_four_processes_may_make_the_file_at_the_same_time(python: tuple[str, ...], tmp_path: Path) -> None:
    assert four_at_once(tmp_path / "home" / "gateway.db", "race", python) == [max(migrations())] * 4


def test_a_killed_process_loses_nothing_that_it_was_told_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with a_gateway(path, "gateway-a", "for ever") as gateway:
        try:
            assert gateway.stdin
            assert gateway.stdout
            assert gateway.stdout.readline() == "ready\n"
            gateway.stdin.write("go\n")
            gateway.stdin.flush()
            told = [gateway.stdout.readline().strip() for _ in range(200)]
        finally:
            gateway.send_signal(signal.SIGKILL)
        told += [line.strip() for line in gateway.stdout if line.endswith("\n")]

    async def kept() -> set[str]:
        store = SqliteStore(str(path))
        await store.aopen()
        jobs = await store.unfinished()
        await store.aclose()
        return {job.id for job in jobs}

    missing = set(told) - anyio.run(kept)
    assert not missing


HOLDER = """
import sqlite3, sys, threading
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


def test_lesson_18_a_lock_held_by_another_process_is_waited_for_and_then_named(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"

    async def main() -> None:
        patient, hasty = SqliteStore(str(path)), SqliteStore(str(path), busy_timeout_s=0.05)
        await patient.aopen()
        await hasty.aopen()
        held = ("-c", HOLDER, str(path))
        async with await anyio.open_process((sys.executable, *held), stderr=None) as holder:
            try:
                assert holder.stdout
                assert holder.stdin
                assert (await holder.stdout.receive()).strip() == b"held"
                began = time.monotonic()
                with pytest.raises(StoreUnavailable, match="locked") as caught:
                    await hasty.set_active("echo", "/work", "ada", None)
                assert caught.value.retryable
                assert time.monotonic() - began < 15, "a twentieth of a second, and what a busy machine adds"
                assert list(await hasty.unfinished()) == [], "reading does not wait for a writer"
                with anyio.fail_after(10):
                    async with anyio.create_task_group() as group:
                        group.start_soon(patient.set_active, "echo", "/work", "ada", None)
                        await anyio.wait_all_tasks_blocked()
                        await holder.stdin.send(b"go\n")
                    await holder.wait()
            finally:
                if holder.returncode is None:
                    holder.kill()
        await hasty.aclose()
        await patient.aclose()

    anyio.run(main)


def test_a_busy_answer_that_sqlite_does_not_wait_out_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "gateway.db"))
        await store.aopen()
        tries = []

        def work(connection: sqlite3.Connection) -> int:
            tries.append(connection.in_transaction)
            if len(tries) < 3:
                raise sqlite3.OperationalError("database is locked")
            return len(tries)

        assert await store._write(work) == 3
        assert tries == [True] * 3
        await store.aclose()

    anyio.run(main)
