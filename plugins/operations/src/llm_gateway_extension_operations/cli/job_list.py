"""`llm-gateway jobs list`. Scripts and prompts run it often, so it imports neither pydantic, dataclasses nor an event loop."""

from __future__ import annotations

import os
import sys

from llm_gateway import (
    Exit,
    age_text,
    cost_text,
    home_directory,
    local_time,
    say,
    say_json,
    short_ids,
    table,
    with_titles,
)

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from typing import Any

    from llm_gateway import OpenReader

_MOST = 500  #: as `llm_job_list` allows
_REVIEW_CHARS = len("rv-") + 6  #: as `reviews` shows it
_ID_CHARS = len("job-") + 11  #: the time in milliseconds is in the first 11 digits


def list_quickly(open_reader: OpenReader, options: Namespace) -> int | None:
    """List jobs from the store alone. None: a gateway must do it."""
    if not 1 <= options.limit <= _MOST:
        return None  # the operation reports what is wrong
    reader = open_reader()
    if reader is None:
        return None
    states = [options.status] if options.status else None
    try:
        found = reader.list_jobs(states=states, provider=options.provider, limit=options.limit)
        jobs = with_titles(home_directory(os.environ), found)
    except Exception:  # the store reports it when the gateway opens it
        return None
    show({"jobs": jobs}, as_json=options.json, wide=options.wide)
    return Exit.OK


def show(found: Mapping[str, Any], *, as_json: bool, wide: bool = False) -> None:
    """Print what `llm_job_list` or `llm_job_wait` answered.

    :param wide: with whole ids, all columns, and lines of any length.
    """
    if as_json:
        say_json(found)
    elif found["jobs"]:
        rows(found["jobs"], wide=wide)
    else:
        say("no jobs")


def rows(jobs: Sequence[Mapping[str, Any]], *, wide: bool) -> None:
    """Print a table of jobs. On a terminal, ids and titles are shortened."""
    ids = [job["id"] for job in jobs]
    if not wide and sys.stdout.isatty():
        ids = short_ids(ids, _ID_CHARS)
    columns: list[tuple[str, Sequence[Any]]] = [
        ("JOB", ids),
        ("STATUS", [job["status"] for job in jobs]),
        ("PROVIDER", [job["provider"] for job in jobs]),
        ("AGE", [age_text(job["createdAt"]) for job in jobs]),
        ("COST", [cost_text(job.get("costUsd")) for job in jobs]),
    ]
    reviews = [_review(job["correlationId"]) for job in jobs]
    if any(reviews):
        columns.append(("REVIEW", reviews))
    if wide:
        columns += [
            ("CREATED", [local_time(job["createdAt"]) for job in jobs]),
            ("SECONDS", [f"{job['durationMs'] / 1000:.1f}" if "durationMs" in job else None for job in jobs]),
            ("MODEL", [job.get("model") for job in jobs]),
            ("DIRECTORY", [job["workingDir"] for job in jobs]),
        ]
    columns.append(("TITLE", [job.get("title") for job in jobs]))
    head = [name for name, _ in columns]
    lines = list(zip(*(cells for _, cells in columns), strict=True))
    table(head, lines, state_column=1, cut=None if wide else len(head) - 1)


def _review(correlation_id: str) -> str | None:
    """Return which part of a review a job is: `rv-…:round:part:reviewer` is the trace id of such a job. None: of no review."""
    review, *parts = correlation_id.split(":")
    if not review.startswith("rv-") or len(parts) < 2:
        return None
    return f"{review[:_REVIEW_CHARS]} {parts[1]}"
