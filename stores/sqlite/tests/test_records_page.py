"""docs/reference/records.md is the schema that people query: it says what is there, and its questions have answers."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from llm_gateway import CacheAccount, CostBasis, Record, RunFacts
from llm_gateway_store_sqlite.database import migrations, statements
from llm_gateway_store_sqlite.store import SqliteStore
from llm_gateway_testing.contract.store_samples import a_job, a_record, admit_job, at, ended

PAGE = (Path(__file__).parents[3] / "docs/reference/records.md").read_text("utf-8")
QUESTIONS = re.findall(r"```sql\n(.*?)```", PAGE, re.S)


def filled(path: Path) -> Record:
    """Keep a turn in which nothing is left out, and begin another."""

    async def main() -> Record:
        store = SqliteStore(str(path))
        await store.aopen()
        job = await admit_job(store, a_job())
        record = replace(
            a_record(job, model="m-1", resumed=True, prompt_bytes=90, prefix_bytes=80, error_code="timeout"),
            run=RunFacts(cli_version="1.2", retries=2, first_event_s=0.5),
            cache=CacheAccount(ttl_s=300.0, expected_tokens=9, cause="unknown", saved_usd=0.5, wasted_usd=0.25),
            words={"prompt": "ü", "reply": "\U0001f40d"},
            outcome="failed",
        )
        await store.finish_job(ended(job), owner=job.owner, record=record)
        await admit_job(store, a_job(created_at=at(9)))
        await store.aclose()
        return record

    return anyio.run(main)


def rows(path: Path, query: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return database.execute(query).fetchall()


def test_the_page_names_every_column_and_no_other(tmp_path: Path) -> None:
    filled(tmp_path / "db")
    there = [row["name"] for row in rows(tmp_path / "db", "PRAGMA table_info(turns)")]
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.M) == there


def test_a_turn_is_one_row_with_everything_that_is_known(tmp_path: Path) -> None:
    record = filled(tmp_path / "db")
    done, begun = rows(tmp_path / "db", "SELECT * FROM turns ORDER BY started_at")
    assert done["prefix_tokens"] == record.prefix_tokens == 20
    assert (done["model"], done["cli_version"], done["retries"], done["first_event_s"]) == ("m-1", "1.2", 2, 0.5)
    assert (done["cost_usd"], done["cost_basis"]) == (record.cost.usd, CostBasis.REPORTED.value)
    assert (done["cache_break"], done["cache_expected_tokens"], done["wasted_usd"]) == ("unknown", 9, 0.25)
    assert (done["outcome"], done["error_code"], done["resumed"], done["duration_s"]) == ("failed", "timeout", 1, 1.5)
    assert (done["prompt"], done["reply"]) == ("ü", "\U0001f40d")
    assert (done["started_at"], done["ended_at"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z")
    assert (begun["outcome"], begun["ended_at"], begun["duration_s"], begun["cost_basis"]) == (
        "started",
        None,
        None,
        "unknown",
    )
    assert (begun["input_tokens"], begun["cost_usd"]) == (None, None)


@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_every_question_of_the_page_has_an_answer(tmp_path: Path, question: str) -> None:
    filled(tmp_path / "db")
    rows(tmp_path / "db", question)


def test_records_of_before_are_turns_that_are_over(tmp_path: Path) -> None:
    first = statements(Path(migrations()[1]).read_text("utf-8"))
    old = (
        b'{"schema":1,"job_id":"job-1","principal":"local","correlation_id":"c","provider":"echo","posture":"prompted",'
    )
    old += b'"started_at":"2026-03-01T12:00:00Z","duration_s":2.0,"outcome":"completed"}'
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as database:
        for statement in first:
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {0x4C4C4D47}")
        database.execute("PRAGMA user_version = 1")
        query = (
            "INSERT INTO records (job_id, principal, provider, started_at, doc) VALUES ('job-1', 'local', 'echo', 5, ?)"
        )
        database.execute(query, [old])
    record = filled(tmp_path / "db")

    async def look() -> list[str]:
        store = SqliteStore(str(tmp_path / "db"))
        await store.aopen()
        found = [one.job_id for one in await store.list_records()]
        await store.aclose()
        return found

    assert anyio.run(look) == [record.job_id, "job-1"]
