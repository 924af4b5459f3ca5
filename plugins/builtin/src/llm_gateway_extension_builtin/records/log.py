"""`llm-gateway log`: list, search, show and export turns."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from anyio import to_thread

from llm_gateway import (
    Exit,
    Gateway,
    Job,
    JobId,
    UsageError,
    age_text,
    cost_text,
    for_stream,
    job_id_of,
    json_line,
    local_time,
    moment_of,
    one_line,
    say,
    say_json,
    short_ids,
    stamp,
    styled,
    table,
)
from llm_gateway_extension_builtin.records.index import TextIndex
from llm_gateway_extension_builtin.records.plugin import content_of, secrets
from llm_gateway_extension_builtin.records.turns import (
    MOST_JOBS,
    Turn,
    matching,
    newest_jobs,
    patterns,
    snippet,
    turn_of,
    without_secrets,
)

_ID_CHARS = len("job-") + 11
_BATCH = 50


async def work(gateway: Gateway, options: argparse.Namespace) -> int:
    """Run the subcommand."""
    if options.verb == "show":
        return await _show(gateway, options)
    if options.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {options.limit}")
    if options.search is not None and not patterns(options.search):
        raise UsageError(f"--search {options.search!r} has no word")
    turns = await _found(gateway, options)
    if options.verb == "export":
        return _export(gateway, turns, options.format)
    return _list(turns, options)


async def _found(gateway: Gateway, options: argparse.Namespace) -> list[Turn]:
    """Return the turns that were asked for, newest first."""
    now = datetime.now(timezone.utc)
    since = moment_of(options.since, now) if options.since else None
    limit = MOST_JOBS if options.search else min(options.limit, MOST_JOBS)
    jobs = await newest_jobs(gateway, provider=options.provider, since=since, limit=limit)
    if options.search:
        ids = await _search_index(gateway, options.search, now)
        if ids is not None:
            jobs = [job for job in jobs if job.id in ids or not job.state.ended]
    return [turn async for turn in matching(gateway, jobs, options.search, options.limit)]


async def _search_index(gateway: Gateway, text: str, now: datetime) -> set[str] | None:
    """Bring the index up to date and search it. None: there is none, so each text must be read."""
    if content_of(gateway) != "full":
        return None
    jobs = [job for job in await newest_jobs(gateway, provider=None, since=None) if job.ended_at is not None]
    try:
        index = await to_thread.run_sync(TextIndex, gateway.settings.home)
    except (OSError, sqlite3.Error):
        return None
    try:
        known = await to_thread.run_sync(index.known)
        missing = [job for job in jobs if job.id not in known]
        for begin in range(0, len(missing), _BATCH):
            await _add(gateway, index, missing[begin : begin + _BATCH])
        await to_thread.run_sync(index.prune, now - timedelta(days=gateway.settings.jobs.retention_days))
        return set(await to_thread.run_sync(index.search, text, MOST_JOBS))
    except (OSError, sqlite3.Error):
        return None
    finally:
        with suppress(sqlite3.Error):
            await to_thread.run_sync(index.close)


async def _add(gateway: Gateway, index: TextIndex, jobs: Sequence[Job]) -> None:
    hidden = secrets(gateway)
    rows = []
    for job in jobs:
        turn = await turn_of(gateway, job)
        clean = await to_thread.run_sync(without_secrets, turn, hidden)
        rows.append((job.id, job.ended_at or job.created_at, clean.prompt, clean.reply))
    await to_thread.run_sync(index.add, rows)


def _list(turns: Sequence[Turn], options: argparse.Namespace) -> int:
    if options.json:
        say_json({"turns": [turn.view() for turn in turns]})
        return Exit.OK
    if not turns:
        say("no turn has these words" if options.search else "no turns")
        return Exit.OK
    ids: list[str] = [turn.job.id for turn in turns]
    if not options.wide and sys.stdout.isatty():
        ids = short_ids(ids, _ID_CHARS)
    texts = [snippet(turn, options.search) if options.search else one_line(turn.prompt[:1000]) for turn in turns]
    columns: list[tuple[str, Sequence[Any]]] = [
        ("JOB", ids),
        ("STATUS", [turn.job.state.value for turn in turns]),
        ("PROVIDER", [turn.job.provider for turn in turns]),
        ("AGE", [age_text(stamp(turn.job.created_at)) for turn in turns]),
        ("COST", [cost_text(_cost(turn)) for turn in turns]),
        ("FOUND" if options.search else "PROMPT", [text or None for text in texts]),
    ]
    head = [name for name, _ in columns]
    lines = list(zip(*(cells for _, cells in columns), strict=True))
    table(head, lines, state_column=1, cut=None if options.wide else len(head) - 1)
    return Exit.OK


async def _show(gateway: Gateway, options: argparse.Namespace) -> int:
    job_id = await job_id_of(gateway, options.job)
    job = await gateway.store.get_job(JobId(job_id))
    if job is None:
        raise UsageError(f"there is no job {job_id}; llm-gateway log shows yours")
    turn = await turn_of(gateway, job)
    if options.json:
        say_json(turn.view())
        return Exit.OK
    say(styled(_heading(turn), "dim", sys.stdout))
    for name, text in (("Prompt", turn.prompt), ("Answer", turn.reply)):
        say(styled(f"\n{name}", "bold", sys.stdout))
        say(for_stream(text, sys.stdout) if text else "(not kept)")
    return Exit.OK


def _export(gateway: Gateway, turns: Sequence[Turn], form: str) -> int:
    hidden = secrets(gateway)
    for turn in reversed(turns):
        clean = without_secrets(turn, hidden)
        say(json_line(clean.view()) if form == "jsonl" else _markdown(clean))
    return Exit.OK


def _markdown(turn: Turn) -> str:
    parts = [f"## {_heading(turn)}"]
    for name, text in (("Prompt", turn.prompt), ("Answer", turn.reply)):
        parts += [f"### {name}", _fenced(text) if text else "(not kept)"]
    return for_stream("\n\n".join(parts) + "\n", sys.stdout)


def _fenced(text: str) -> str:
    """Return the text as a block that no line of it can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def _heading(turn: Turn) -> str:
    job = turn.job
    model = job.reply.model if job.reply and job.reply.model else job.model
    facts = [local_time(stamp(job.created_at)), job.provider, model, job.state.value, cost_text(_cost(turn)), job.id]
    return " · ".join(one_line(fact) for fact in facts if fact)


def _cost(turn: Turn) -> float | None:
    return turn.job.reply.cost.usd if turn.job.reply else None
