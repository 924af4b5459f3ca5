"""`llm-gateway jobs`: list, show, tail, wait, cancel, result."""

from __future__ import annotations

import argparse
import base64
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from llm_gateway.cli.answers import show_answer
from llm_gateway.cli.exits import Exit
from llm_gateway.cli.following import exit_of_status, follow
from llm_gateway.cli.parsing import duration_s
from llm_gateway.cli.running import call, with_gateway
from llm_gateway.cli.screen import say, say_json, shown, table
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.ids import JobId

_WAIT_MS = 50_000
_PAGE_BYTES = 1_000_000
_TERMINAL = ("completed", "failed", "canceled", "interrupted")


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    return with_gateway(lambda gateway: _VERBS[options.verb](gateway, options))


async def _list(gateway: GatewayApi, options: argparse.Namespace) -> int:
    given = {"status": options.status, "provider": options.provider, "limit": options.limit}
    found = await call(gateway, "llm_job_list", {name: value for name, value in given.items() if value is not None})
    if options.json:
        say_json(found)
    else:
        _rows(found["jobs"])
    return Exit.OK


async def _show(gateway: GatewayApi, options: argparse.Namespace) -> int:
    found = await call(gateway, "llm_job_status", {"jobId": options.job})
    if options.json:
        say_json(found)
    else:
        known = {**found.pop("job"), **found}
        error = known.pop("error", None)
        known.pop("next", None)
        if error:
            known["error"] = f"{error['code']}: {error['message']}"
        for name, value in known.items():
            say(shown(f"{name:16} {value}", sys.stdout))
    return Exit.OK


async def _tail(gateway: GatewayApi, options: argparse.Namespace) -> int:
    await call(gateway, "llm_job_status", {"jobId": options.job})  # raises for an unknown id
    job = await gateway.store.get_job(JobId(options.job))
    if job is not None:
        await follow(gateway, job, show=True)
    return show_answer(await call(gateway, "llm_job_result", {"jobId": options.job}))


async def _wait(gateway: GatewayApi, options: argparse.Namespace) -> int:
    deadline = None if options.timeout is None else time.monotonic() + duration_s(options.timeout)
    ids = list(dict.fromkeys(options.job))
    while True:
        left_ms = _WAIT_MS
        if deadline is not None:
            left_ms = max(0, min(_WAIT_MS, round((deadline - time.monotonic()) * 1000)))
        until = "any" if options.any else "all"
        found = await call(gateway, "llm_job_wait", {"jobIds": ids, "until": until, "timeoutMs": left_ms})
        ended = [job for job in found["jobs"] if job["status"] in _TERMINAL]
        enough = bool(ended) if options.any else not found["pending"]
        if enough or left_ms == 0:
            break
    if options.json:
        say_json(found)
    else:
        _rows(found["jobs"])
    if not enough:
        return Exit.UNFINISHED
    return max(exit_of_status(job["status"]) for job in ended)


async def _cancel(gateway: GatewayApi, options: argparse.Namespace) -> int:
    found = await call(gateway, "llm_job_cancel", {"jobId": options.job})
    if options.json:
        say_json(found)
    else:
        say(f"{options.job} {found['job']['status']}")
    return Exit.OK if found["job"]["status"] in _TERMINAL else Exit.UNFINISHED


async def _result(gateway: GatewayApi, options: argparse.Namespace) -> int:
    if options.raw:
        return await _raw(gateway, options.job, options.raw)
    found = await call(gateway, "llm_job_result", {"jobId": options.job})
    if options.json:
        say_json(found)
        return exit_of_status(found["status"])
    if found.get("nextOffset") is None:
        return show_answer(found)
    pages = [found["text"]]
    page = found
    while page.get("nextOffset") is not None:
        page = await call(gateway, "llm_job_result", {"jobId": options.job, "offset": page["nextOffset"]})
        pages.append(page["text"])
    warnings = [warning for warning in found["warnings"] if warning.get("code") != "text_cut"]
    return show_answer({**found, "text": "".join(pages), "warnings": warnings})


async def _raw(gateway: GatewayApi, job_id: str, stream: str) -> int:
    """Copy the output of the agent's program to stdout, page by page, unchanged."""
    offset = 0
    while True:
        arguments = {"jobId": job_id, "raw": stream, "offset": offset, "maxChars": _PAGE_BYTES}
        found = await call(gateway, "llm_job_result", arguments)
        page = found["page"]
        data = base64.b64decode(page["base64"]) if "base64" in page else page.get("text", "").encode()
        if sys.stdout.isatty() or os.environ.get("GITHUB_ACTIONS"):
            sys.stdout.write(shown(data.decode("utf-8", "replace"), sys.stdout))
            sys.stdout.flush()
        else:
            sys.stdout.buffer.write(data)
        if page["nextOffset"] <= offset:
            sys.stdout.buffer.flush()
            return Exit.UNFINISHED if found["status"] in ("queued", "running") else Exit.OK
        offset = page["nextOffset"]


def _rows(jobs: list[dict[str, Any]]) -> None:
    if not jobs:
        say("no jobs")
    head = ("JOB", "STATUS", "PROVIDER", "CREATED", "SECONDS", "DIRECTORY")
    rows = [
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
    table(head, rows, state_column=1)


_VERBS: dict[str, Callable[[GatewayApi, argparse.Namespace], Awaitable[int]]] = {
    "list": _list,
    "show": _show,
    "tail": _tail,
    "wait": _wait,
    "cancel": _cancel,
    "result": _result,
}
