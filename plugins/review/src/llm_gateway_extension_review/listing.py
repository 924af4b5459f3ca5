"""List the reviews of a caller: id, time, subject, status and verdict."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pydantic import Field

from llm_gateway import Wire, age_text, local_time, one_line, short_ids, stamp, table
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review.folder import Folder
from llm_gateway_extension_review.state import ASK_MANY, CONSENSUS, Run
from llm_gateway_extension_review.words import scope_words

_LONGEST_SUBJECT = 200
_MOST_LOOKED_AT = 1000
_ID_CHARS = len("rv-") + 6


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


def chosen_id(folder: Folder, principal: str, typed: str) -> str:
    """Return the id of the review that a user names by the beginning of its id, or as `last`. Blocking. Raises InvalidRequest.

    An id of no review is returned unchanged: the operation reports it.
    """
    if typed == "last":
        newest = folder.newest(principal, 1)
        return newest[0].id if newest else typed
    if folder.load(typed) is not None:
        return typed
    wanted = typed if typed.startswith("rv-") else f"rv-{typed}"
    found = [run.id for run in folder.newest(principal, _MOST_LOOKED_AT) if run.id.startswith(wanted)]
    if len(found) > 1:
        raise InvalidRequest(
            f"{typed} is the beginning of {len(found)} reviews: {', '.join(found[:5])}; type more of it"
        )
    return found[0] if found else typed


def subject_of(run: Run, text: str) -> str:
    """Return the subject of a run on one line.

    :param text: the question, or the reviewed text.
    """
    asked = run.kind in (ASK_MANY, CONSENSUS) or (run.scope is not None and run.scope.kind == "text")
    words = one_line(text[: 4 * _LONGEST_SUBJECT]) if asked else one_line(scope_words(run.scope))
    return words if len(words) <= _LONGEST_SUBJECT else f"{words[: _LONGEST_SUBJECT - 1]}…"


def show_table(rows: Sequence[ReviewRow], *, wide: bool) -> None:
    """Print the reviews as a table. On a terminal, ids and subjects are shortened.

    :param wide: with whole ids, all columns, and lines of any length.
    """
    ids = [row.review_id for row in rows]
    if not wide and sys.stdout.isatty():
        ids = short_ids(ids, _ID_CHARS)
    columns: list[tuple[str, Sequence[str | None]]] = [
        ("REVIEW", ids),
        ("STATE", ["running" if row.status == "deferred" else row.status for row in rows]),
        ("VERDICT", [row.verdict for row in rows]),
        ("AGE", [age_text(row.started_at) for row in rows]),
    ]
    if wide:
        columns += [
            ("STARTED", [local_time(row.started_at) for row in rows]),
            ("KIND", [row.kind for row in rows]),
            ("DIRECTORY", [row.working_dir for row in rows]),
        ]
    columns.append(("SUBJECT", [row.subject for row in rows]))
    head = [name for name, _ in columns]
    lines = list(zip(*(cells for _, cells in columns), strict=True))
    table(head, lines, state_column=1, cut=None if wide else len(head) - 1)
