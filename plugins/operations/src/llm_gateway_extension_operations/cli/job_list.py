"""`llm-gateway jobs list`. Scripts and prompts run it often, so it imports neither pydantic, dataclasses nor an event loop."""

from __future__ import annotations

from llm_gateway import Exit, say, say_json, table

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from typing import Any

    from llm_gateway import OpenReader

_MOST = 500  #: as `llm_job_list` allows


def list_quickly(open_reader: OpenReader, options: Namespace) -> int | None:
    """List jobs from the store alone. None: a gateway must do it."""
    if not 1 <= options.limit <= _MOST:
        return None  # the operation reports what is wrong
    reader = open_reader()
    if reader is None:
        return None
    states = [options.status] if options.status else None
    try:
        jobs = list(reader.list_jobs(states=states, provider=options.provider, limit=options.limit))
    except Exception:  # the store reports it when the gateway opens it
        return None
    show({"jobs": jobs}, as_json=options.json)
    return Exit.OK


def show(found: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what `llm_job_list` or `llm_job_wait` answered."""
    if as_json:
        say_json(found)
    else:
        rows(found["jobs"])


def rows(jobs: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of jobs."""
    if not jobs:
        say("no jobs")
    head = ("JOB", "STATUS", "PROVIDER", "CREATED", "SECONDS", "DIRECTORY")
    lines = [
        (
            job["id"],
            job["status"],
            job["provider"],
            job["createdAt"][:19].replace("T", " "),
            f"{job['durationMs'] / 1000:.1f}" if "durationMs" in job else None,
            job["workingDir"],
        )
        for job in jobs
    ]
    table(head, lines, state_column=1)
