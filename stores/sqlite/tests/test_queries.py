"""The queries: read from their file, and answered from an index however large the tables grow."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from llm_gateway_store_sqlite.database import Database
from llm_gateway_store_sqlite.queries import SQL, parse
from llm_gateway_store_sqlite.store import _LIST_JOBS, _LIST_RECORDS

#: query -> what the plan must name
INDEXED = {
    "find_duplicate": "jobs_dedup",
    "places": "COVERING INDEX jobs_unfinished",
    "has_queued": "COVERING INDEX jobs_unfinished",
    "running": "COVERING INDEX jobs_unfinished",
    "queued_providers": "COVERING INDEX jobs_queued",
    "queue": "jobs_queued (state=? AND provider=?)",
    "queue_place": "COVERING INDEX jobs_queued",
    "owners": "COVERING INDEX jobs_unfinished",
    "unfinished": "jobs_unfinished",
    "count_unfinished": "COVERING INDEX jobs_unfinished",
    "count_ended": "COVERING INDEX jobs_ended",
    "count_not_completed": "COVERING INDEX jobs_not_completed",
    "old_jobs": "jobs_ended",
    "prune_records": "records_started",
    "prune_tallies": "tallies_last",
    "earlier_in_session": "records_session",
    "earlier_of_prefix": "records_prefix",
    "get_tally": "tallies USING PRIMARY KEY (principal=? AND scope=? AND key=? AND provider=? AND model=?)",
    "list_tallies": "tallies USING PRIMARY KEY (principal=? AND scope=? AND key>? AND key<?)",
    "prune_verdicts": "verdicts_decided",
    "find_session": "sessions_native",
    "native_id_taken": "sessions_native",
    "bind_native_id": "sessions_native",
    "list_sessions": "sessions_used",
    "list_verdicts": "verdicts_principal",
}
LISTS = {
    _LIST_JOBS["1"]: "SCAN jobs",  # backwards by its own number, until there are enough
    _LIST_JOBS["ended_at IS NULL"]: "jobs_unfinished",
    _LIST_JOBS["session_id = :session_id"]: "jobs_session",
    _LIST_RECORDS["1"]: "records_started",
    _LIST_RECORDS["session_id = :session_id"]: "records_session",
}


@pytest.mark.parametrize(
    ("query", "index"),
    [(SQL[name], index) for name, index in INDEXED.items()] + list(LISTS.items()),
    ids=[*INDEXED, *(f"list by {index}" for index in LISTS.values())],
)
def test_a_query_uses_its_index(tmp_path: Path, query: str, index: str) -> None:
    database = Database(str(tmp_path / "gateway.db"), 1.0)
    database.open()
    plan = " | ".join(row[3] for row in database.read(f"EXPLAIN QUERY PLAN {query}", defaultdict(lambda: 1)))
    database.close()
    assert index in plan


def test_queries_are_cut_at_their_names_and_lose_their_comments() -> None:
    text = "-- head\n-- name: one\n-- why\nSELECT 1;\n\n-- ---- part\n-- name: two\nSELECT 2\nFROM a"
    assert parse(text) == {"one": "SELECT 1", "two": "SELECT 2\nFROM a"}


@pytest.mark.parametrize("text", ["-- name: one\n-- name: two\nSELECT 1", "-- name: a\nSELECT 1\n-- name: a\nSELECT 2"])
def test_an_empty_or_doubled_query_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="empty or defined twice"):
        parse(text)


def test_every_query_is_used() -> None:
    folder = Path(parse.__code__.co_filename).parent
    code = "".join(file.read_text() for file in folder.glob("*.py"))
    assert [name for name in SQL if f'"{name}"' not in code] == []
