"""How lists show ages, costs and ids, how a table fits a terminal, and where a job's title comes from."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.cli import screen
from llm_gateway.cli.lists import age_text, cell_width, clipped, cost_text, fitted, short_ids
from llm_gateway.cli.vocabulary import at_terminal
from llm_gateway.operations.listing import stamp
from llm_gateway.titles import title_of

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
JOB = "job-00000000001"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7199, "1 h ago"),
        (86_400, "1 day ago"),
        (2 * 86_400, "2 days ago"),
        (30 * 86_400, "2026-01-01"),
    ],
)
def test_an_age_is_short_and_an_old_one_is_a_date(seconds: int, text: str) -> None:
    assert age_text(stamp(NOW - timedelta(seconds=seconds)), NOW) == text


def test_an_unknown_cost_is_not_zero() -> None:
    assert [cost_text(usd) for usd in (None, 0.0, 0.00001, 0.0123, 12.345)] == [
        None,
        "$0.00",
        "<$0.0001",
        "$0.0123",
        "$12.35",
    ]


def test_short_ids_differ_and_have_a_least_length() -> None:
    assert short_ids(["job-aaa1", "job-aab1", "job-abc1"], 5) == ["job-aaa", "job-aab", "job-abc"]
    assert short_ids(["job-aaa1", "job-bbb1"], 5) == ["job-a", "job-b"]
    assert short_ids(["same", "same"], 2) == ["sa", "sa"]
    assert short_ids([], 3) == []


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    "title", ["short", "word " * 60, "変更" * 90, "e\u0301" * 99], ids=["short", "long", "wide", "combining"]
)
def test_no_line_of_a_table_is_longer_than_the_terminal(
    width: int, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    screen.table(
        ("ID", "STATE", "TITLE"), [("job-1", "completed", title), ("job-2", "failed", None)], state_column=1, cut=2
    )
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert max(map(cell_width, lines)) <= width


def test_a_list_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table(("ID", "TITLE"), [("job-1", "word " * 30)], cut=1)
    assert capsys.readouterr().out.splitlines()[1] == "job-1  " + ("word " * 30).strip()


def test_a_cut_is_marked_and_never_splits_a_wide_character() -> None:
    assert clipped("変更する", 4) == "変…"
    assert clipped("abcdef", 4) == "abc…"
    assert fitted([["a", "long title here"], ["b", "x"]], 1, 14) == [["a", "long title…"], ["b", "x"]]


def keep(home: Path, request: Any, *, raw: bytes | None = None) -> None:
    folder = home / "jobs" / JOB
    folder.mkdir(parents=True)
    data = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    (folder / "request.json").write_bytes(data if raw is None else raw)


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ({"text": "fix\nthe  parser\x1b[31m!"}, "fix the parser !"),
        ({"text": "You are a reviewer.\n\nreview this", "prefix": "You are a reviewer."}, "review this"),
        ({"text": "word " * 100}, f"{('word ' * 24)[:119]}…"),
        ({"text": "“quoted” \\ line\n" * 9000}, None),
        ({"text": "half \ud800 pair"}, None),
    ],
    ids=["controls", "prefix", "long", "large", "surrogate"],
)
def test_a_title_is_the_first_words_of_the_task(tmp_path: Path, prompt: Any, title: str | None) -> None:
    keep(tmp_path, {"schema": 1, "request": {"provider": "echo", "prompt": prompt}})
    found = title_of(tmp_path, JOB)
    assert found is not None
    assert len(found) <= 120
    if title is None:
        assert found.startswith(prompt["text"][:5])
    else:
        assert found == title


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"request":3}', b"\xff" * 70_000, b'{"request":{"prompt":{"text":"' + b"\\u00e4" * 20_000]
)
def test_a_request_that_cannot_be_read_has_no_title_or_a_short_one(tmp_path: Path, raw: bytes) -> None:
    keep(tmp_path, None, raw=raw)
    assert len(title_of(tmp_path, JOB) or "") <= 120


def test_a_job_without_a_kept_request_has_no_title(tmp_path: Path) -> None:
    assert title_of(tmp_path, JOB) is None
    folder = tmp_path / "jobs" / JOB
    folder.mkdir(parents=True)
    (folder / "request.json").symlink_to("/etc/hostname")
    assert title_of(tmp_path, JOB) is None


def test_messages_at_the_terminal_name_options_and_subcommands() -> None:
    assert at_terminal("Pass an existing directory as workingDir.") == "Pass an existing directory as --dir."
    assert at_terminal("llm_job_list shows yours.") == "llm-gateway jobs list shows yours."
    assert at_terminal("Wait (llm_job_wait).") == "Wait (llm-gateway jobs wait)."
    assert at_terminal("there is no directory /tmp/workingDir/x") == "there is no directory /tmp/workingDir/x"
