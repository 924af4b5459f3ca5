"""What a full store costs: a million turns are written, then the gateway is asked."""

from __future__ import annotations

import json
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import anyio

from llm_gateway import (
    CacheAccount,
    Cost,
    CostBasis,
    Job,
    JobId,
    JobState,
    NativeSessionId,
    Posture,
    Record,
    Reply,
    RunFacts,
    Session,
    SessionId,
    Usage,
    to_json,
)
from llm_gateway_extension_builtin.cache.counting import count
from llm_gateway_store_sqlite.queries import SQL
from llm_gateway_store_sqlite.records import put_record
from llm_gateway_store_sqlite.rows import job_columns, micros, record_columns
from llm_gateway_store_sqlite.store import SqliteStore
from tests.bench.report import Report
from tests.bench.world import Client, World, times

TURNS = times(1_000_000)
FEWER = times(100_000)  #: how many the reference was measured with
SESSION_TURNS, PREFIXES = 10, 5_000
DAYS = 30
READS = times(200)
_EXACT = 1_000  #: turns that are counted as the gateway counts them, to have tallies of the right size


def measure(world: World, report: Report) -> None:
    """Read everything that looks over turns."""
    path = world.root / "home" / "gateway.db"
    fill(path, FEWER)
    with world.serve() as client:
        client.begin()
        took = _median(lambda: _read(client, "cache-state://global"))
        report.add(f"`cache-state://global` at {FEWER:,} turns, over the wire", took, "ms", aim="< 5", reference="313")
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    grown, appended_us = fill(path, TURNS)
    report.add(f"the store, for each of {TURNS:,} turns (job, record, tallies, indexes)", grown, "bytes")
    report.add("a turn's end: record and tallies, in the store's transaction", appended_us, "µs")
    with world.serve() as client:
        client.begin()
        session = f"gw-{0:032x}"
        for what, ask in {
            "`cache-state://global`": lambda: _read(client, "cache-state://global"),
            "`metrics://performance`": lambda: _read(client, "metrics://performance"),
            "`cache-state://session/…`": lambda: _read(client, f"cache-state://session/{session}"),
            "`cache-state://prefix/…`": lambda: _read(client, f"cache-state://prefix/{7:064x}"),
        }.items():
            report.add(f"{what} at {TURNS:,} turns, over the wire", _median(ask), "ms", aim="< 5")
        report.add("`cache-state://history/30`", _median(lambda: _read(client, "cache-state://history/30"), 20), "ms")
        listed = _median(lambda: client.call("llm_job_list", {"limit": 50})[1])
        report.add(f"`llm_job_list` of 50, at {TURNS:,} jobs", listed, "ms")
        shown = _median(lambda: client.call("session_get", {"sessionId": session})[1])
        report.add(f"`session_get`, at {TURNS:,} turns", shown, "ms")
        client.call("tiny_request", {"prompt": "once", "workingDir": world.place})
        twin = _median(lambda: client.call("tiny_request", {"prompt": "once", "workingDir": world.place})[1])
        report.add(f"dedup hit, at {TURNS:,} jobs", twin, "ms")
        report.add("the slowest other call while resources are read", _slowest_meanwhile(client), "ms", aim="< 50")


def _read(client: Client, uri: str) -> float:
    answer, _, took = client.ask_raw("resources/read", uri=uri)
    assert json.loads(answer["contents"][0]["text"])
    return took


def _median(ask: Any, number: int = READS) -> float:
    return statistics.median(ask() for _ in range(number)) * 1000


def _slowest_meanwhile(client: Client) -> float:
    over = threading.Event()

    def read_on() -> None:
        while not over.is_set():
            for uri in ("cache-state://global", "cache-state://history/30", "metrics://performance"):
                _read(client, uri)

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        return max(client.call("llm_job_list", {"limit": 1})[1] for _ in range(READS)) * 1000
    finally:
        over.set()
        reader.join()


def fill(path: Path, turns: int) -> tuple[float, float]:
    """Write turns of the last days; bytes for each, and microseconds that the end of one takes."""

    async def make() -> None:
        store = SqliteStore(str(path))
        await store.aopen()
        await store.aclose()

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    anyio.run(make)
    empty = path.stat().st_size
    now = datetime.now(timezone.utc)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -400000")
        database.execute("BEGIN")
        database.executemany(SQL["insert_job"], _jobs(turns, now))
        database.execute("UPDATE jobs SET state = 'completed', ended_at = started_at + 2000000")
        database.executemany(SQL["put_record"], _records(turns, now))
        _tallies(database, turns, now)
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        grown = path.stat().st_size - empty
        began = time.perf_counter()
        for number in range(_EXACT):
            record = _record(turns + number, now)
            database.execute("BEGIN IMMEDIATE")
            put_record(database, record, count(record, repeated=True))
            database.execute("COMMIT")
        took = (time.perf_counter() - began) / _EXACT
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return grown / turns, took * 1e6


def _jobs(turns: int, now: datetime) -> Iterator[dict[str, Any]]:
    model = job_columns(_job(0, now))
    doc = model["doc"]
    for number in range(turns):
        at = micros(_when(number / turns, now))
        named = doc.replace(f"job-{0:032x}".encode(), f"job-{number:032x}".encode())
        session = f"gw-{number // SESSION_TURNS:032x}"
        # Stored as running and ended below, because a job is let in before it ends.
        yield {
            **model,
            "id": f"job-{number:032x}",
            "session_id": session,
            "dedup_key": f"{number:064x}",
            "created_at": at,
            "started_at": at,
            "state": "running",
            "doc": named,
        }


def _records(turns: int, now: datetime) -> Iterator[dict[str, Any]]:
    model = record_columns(_record(0, now))
    for number in range(turns):
        at = micros(_when(number / turns, now))
        yield {
            **model,
            "job_id": f"job-{number:032x}",
            "session_id": f"gw-{number // SESSION_TURNS:032x}",
            "prefix_sha256": f"{number % PREFIXES:064x}",
            "started_at": at,
            "ended_at": at + 2_000_000,
        }


def _tallies(database: sqlite3.Connection, turns: int, now: datetime) -> None:
    """As many tallies as so many turns leave: of hours, of conversations, of prefixes."""
    for number in range(0, turns, max(1, turns // (DAYS * 24 * 4))):
        record = _record(number, now, number / turns)
        hours = {place: numbers for place, numbers in count(record, repeated=True).items() if place[0] == "hour"}
        put_record(database, record, hours)
    numbers = json.dumps(count(_record(0, now), repeated=True)["session", f"gw-{0:032x}"])
    row = ("local", "session", "tiny", "m-1", micros(now), micros(now), numbers)
    query = "INSERT OR REPLACE INTO tallies (principal, scope, key, provider, model, first_at, last_at, counts) VALUES "
    query += "(?, ?, ?, ?, ?, ?, ?, ?)"
    sessions = (f"gw-{number:032x}" for number in range(turns // SESSION_TURNS))
    database.executemany(query, ((row[0], row[1], key, *row[2:]) for key in sessions))
    prefixes = (f"{number:064x}" for number in range(min(PREFIXES, turns)))
    database.executemany(query, ((row[0], "prefix", key, *row[2:]) for key in prefixes))
    session = (
        "INSERT INTO sessions (id, provider, principal, working_dir, turns, created_at, last_used_at, doc) VALUES "
    )
    session += "(?, 'tiny', 'local', '/', 0, ?, ?, ?)"
    noun = Session(
        id=SessionId(f"gw-{0:032x}"),
        provider="tiny",
        principal="local",
        working_dir="/",
        created_at=now,
        last_used_at=now,
    )
    database.execute(session, (noun.id, micros(now), micros(now), to_json(noun)))


def _when(share: float, now: datetime) -> datetime:
    return now - timedelta(days=DAYS) * (1 - share) - timedelta(seconds=5)


def _job(number: int, now: datetime) -> Job:
    reply = Reply(model="m-1", native_id=NativeSessionId("0" * 36), duration_s=2.0, usage=_USAGE, cost=_COST)
    return Job(
        id=JobId(f"job-{number:032x}"),
        provider="tiny",
        state=JobState.COMPLETED,
        principal="local",
        owner="g" + "0" * 12,
        posture=Posture.PROMPTED,
        working_dir="/home/somebody/projects/something",
        approval={"strategy": "legacy", "decision": "allow", "posture": "prompted"},
        mcp_servers={"requested": ["sqry"], "enabled": [], "missing": ["sqry"], "trackingOnly": False},
        created_at=now,
        started_at=now,
        ended_at=now,
        reply=reply,
    )


def _record(number: int, now: datetime, share: float = 1.0) -> Record:
    at = _when(share, now)
    return Record(
        job_id=JobId(f"job-{number:032x}"),
        session_id=SessionId(f"gw-{number // SESSION_TURNS:032x}"),
        native_id=NativeSessionId("0" * 36),
        principal="local",
        correlation_id="c-0123456789abcdef",
        provider="tiny",
        model="m-1",
        posture=Posture.PROMPTED,
        prefix_sha256=f"{number % PREFIXES:064x}",
        prefix_bytes=40_000,
        prompt_bytes=42_000,
        usage=_USAGE,
        cost=_COST,
        cache=CacheAccount(read_tokens=12_000, written_tokens=900, ttl_s=300.0, held_tokens=12_900, saved_usd=0.031),
        run=RunFacts(cli_version="2.1.330", requests=3, cache_ttl_s=300.0, first_event_s=0.9),
        started_at=at,
        ended_at=at + timedelta(seconds=2),
        duration_s=2.0,
        outcome="completed",
        kept={"cache": {"tools": "0" * 64, "options": "0" * 64, "marked": True}},
    )


_USAGE = Usage(
    input_tokens=20, output_tokens=400, cache_read_tokens=12_000, cache_creation_tokens=900, reasoning_tokens=0
)
_COST = Cost(usd=0.0131, basis=CostBasis.REPORTED)
