"""List the reviews of a caller: id, time, subject, status and verdict."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from llm_gateway import Wire, one_line, stamp
from llm_gateway_extension_review.folder import Folder
from llm_gateway_extension_review.state import ASK_MANY, CONSENSUS, Run
from llm_gateway_extension_review.words import scope_words

_LONGEST_SUBJECT = 200
_HEAD = ("REVIEW", "STARTED", "STATE", "VERDICT", "SUBJECT")
_NARROWEST = 12


class ReviewRow(Wire):
    """One review."""

    review_id: str
    kind: str = Field(description="review, review_until_approved, ask_many or consensus")
    subject: str = Field(description="What is reviewed, or the beginning of the question")
    status: str = Field(description="completed, escalate, failed, canceled; deferred while it goes on")
    verdict: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    working_dir: str


class ReviewList(Wire):
    """Reviews, newest first."""

    reviews: list[ReviewRow]


def rows_of(folder: Folder, principal: str, limit: int) -> list[ReviewRow]:
    """Return the newest reviews of a principal. Blocking."""
    return [_row(run, folder.read(run.id, "text.txt") or "") for run in folder.newest(principal, limit)]


def _row(run: Run, text: str) -> ReviewRow:
    return ReviewRow(
        review_id=run.id,
        kind=run.kind,
        subject=subject_of(run, text),
        status=run.status if run.ended else "deferred",
        verdict=run.verdict,
        started_at=stamp(run.created_at),
        ended_at=stamp(run.ended_at),
        working_dir=run.working_dir,
    )


def subject_of(run: Run, text: str) -> str:
    """Return the subject of a run on one line.

    :param text: the question, or the reviewed text.
    """
    asked = run.kind in (ASK_MANY, CONSENSUS) or (run.scope is not None and run.scope.kind == "text")
    words = one_line(text[: 4 * _LONGEST_SUBJECT]) if asked else one_line(scope_words(run.scope))
    return words if len(words) <= _LONGEST_SUBJECT else f"{words[: _LONGEST_SUBJECT - 1]}…"


def table(rows: Sequence[ReviewRow], width: int | None) -> list[str]:
    """Return the lines of a table.

    :param width: columns of the terminal; the subject is shortened to fit. None: no limit.
    """
    from rich.cells import cell_len, set_cell_size

    cells = [_HEAD, *(_cells(row) for row in rows)]
    wide = [max(cell_len(row[column]) for row in cells) for column in range(len(_HEAD) - 1)]
    room = None if width is None else max(_NARROWEST, width - sum(wide) - 2 * len(wide))
    lines = []
    for row in cells:
        subject = row[-1]
        if room is not None and cell_len(subject) > room:
            subject = set_cell_size(subject, room - 1).rstrip() + "…"
        padded = [set_cell_size(cell, size) for cell, size in zip(row[:-1], wide, strict=True)]
        lines.append("  ".join([*padded, subject]).rstrip())
    return lines


def terminal_width() -> int | None:
    """Return the columns of the terminal; None: stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _cells(row: ReviewRow) -> tuple[str, ...]:
    begun = datetime.fromisoformat(row.started_at.replace("Z", "+00:00")) if row.started_at else None
    when = f"{begun.astimezone():%Y-%m-%d %H:%M}" if begun else "-"
    state = "running" if row.status == "deferred" else row.status
    return (row.review_id, when, state, row.verdict or "-", row.subject)
