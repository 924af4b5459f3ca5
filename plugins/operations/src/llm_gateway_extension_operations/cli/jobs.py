"""`llm-gateway jobs`: list, show, tail, wait, cancel, result."""

from __future__ import annotations

import argparse
import base64
import os
import sys
import time
from collections.abc import Awaitable, Callable

from anyio import get_cancelled_exc_class, to_thread

from llm_gateway import (
    Exit,
    Gateway,
    JobId,
    call_operation,
    duration_s,
    follow,
    for_stream,
    job_id_of,
    job_ids_of,
    say,
    say_detached,
    say_json,
    show_answer,
    with_titles,
)
from llm_gateway_extension_operations.cli.job_list import show

_WAIT_MS = 50_000
_PAGE_BYTES = 1_000_000
_TERMINAL = ("completed", "failed", "canceled", "interrupted")


async def work(gateway: Gateway, options: argparse.Namespace) -> int:
    """Run the subcommand."""
    typed = getattr(options, "job", None)
    if isinstance(typed, list):
        options.job = await job_ids_of(gateway, typed)
    elif typed is not None:
        options.job = await job_id_of(gateway, typed)
    return await _VERBS[options.verb](gateway, options)


async def _list(gateway: Gateway, options: argparse.Namespace) -> int:
    given = {"status": options.status, "provider": options.provider, "limit": options.limit}
    found = await call_operation(
        gateway, "llm_job_list", {name: value for name, value in given.items() if value is not None}
    )
    found["jobs"] = await to_thread.run_sync(with_titles, gateway.settings.home, found["jobs"])
    show(found, as_json=options.json, wide=options.wide)
    return Exit.OK


async def _show(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await call_operation(gateway, "llm_job_status", {"jobId": options.job})
    if options.json:
        say_json(found)
    else:
        known = {**found.pop("job"), **found}
        error = known.pop("error", None)
        known.pop("next", None)
        if error:
            known["error"] = f"{error['code']}: {error['message']}"
        for name, value in known.items():
            say(for_stream(f"{name:16} {value}", sys.stdout))
    return Exit.OK


async def _tail(gateway: Gateway, options: argparse.Namespace) -> int:
    await call_operation(gateway, "llm_job_status", {"jobId": options.job})  # raises for an unknown id
    job = await gateway.store.get_job(JobId(options.job))
    streamed = ""
    if job is not None:
        try:
            streamed = await follow(gateway, job, show=True)
        except get_cancelled_exc_class():
            say_detached([options.job])
            raise
    return show_answer(await call_operation(gateway, "llm_job_result", {"jobId": options.job}), streamed)


async def _wait(gateway: Gateway, options: argparse.Namespace) -> int:
    deadline = None if options.timeout is None else time.monotonic() + duration_s(options.timeout)
    ids = options.job
    while True:
        left_ms = _WAIT_MS
        if deadline is not None:
            left_ms = max(0, min(_WAIT_MS, round((deadline - time.monotonic()) * 1000)))
        until = "any" if options.any else "all"
        try:
            found = await call_operation(
                gateway, "llm_job_wait", {"jobIds": ids, "until": until, "timeoutMs": left_ms, "answers": False}
            )
        except get_cancelled_exc_class():
            say_detached(ids)
            raise
        ended = [job for job in found["jobs"] if job["status"] in _TERMINAL]
        enough = bool(ended) if options.any else not found["pending"]
        if enough or left_ms == 0:
            break
    if not options.json:
        found["jobs"] = await to_thread.run_sync(with_titles, gateway.settings.home, found["jobs"])
    found.pop("answers", None)
    show(found, as_json=options.json)
    if not enough:
        return Exit.UNFINISHED
    return max(Exit.of_status(job["status"]) for job in ended)


async def _cancel(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await call_operation(gateway, "llm_job_cancel", {"jobId": options.job})
    if options.json:
        say_json(found)
    else:
        say(f"{options.job} {found['job']['status']}")
    return Exit.OK if found["job"]["status"] in _TERMINAL else Exit.UNFINISHED


async def _result(gateway: Gateway, options: argparse.Namespace) -> int:
    if options.raw:
        return await _raw(gateway, options.job, options.raw)
    found = await call_operation(gateway, "llm_job_result", {"jobId": options.job})
    if options.json:
        say_json(found)
        return Exit.of_status(found["status"])
    if found.get("nextOffset") is None:
        return show_answer(found)
    pages = [found["text"]]
    page = found
    while page.get("nextOffset") is not None:
        page = await call_operation(gateway, "llm_job_result", {"jobId": options.job, "offset": page["nextOffset"]})
        pages.append(page["text"])
    warnings = [warning for warning in found["warnings"] if warning.get("code") != "text_cut"]
    return show_answer({**found, "text": "".join(pages), "warnings": warnings})


async def _raw(gateway: Gateway, job_id: str, stream: str) -> int:
    """Copy the output of the agent's program to stdout, page by page, unchanged."""
    offset = 0
    while True:
        arguments = {"jobId": job_id, "raw": stream, "offset": offset, "maxChars": _PAGE_BYTES}
        found = await call_operation(gateway, "llm_job_result", arguments)
        page = found["page"]
        data = base64.b64decode(page["base64"]) if "base64" in page else page.get("text", "").encode()
        if sys.stdout.isatty() or os.environ.get("GITHUB_ACTIONS"):
            sys.stdout.write(for_stream(data.decode("utf-8", "replace"), sys.stdout))
            sys.stdout.flush()
        else:
            sys.stdout.buffer.write(data)
        if page["nextOffset"] <= offset:
            sys.stdout.buffer.flush()
            return Exit.UNFINISHED if found["status"] in ("queued", "running") else Exit.OK
        offset = page["nextOffset"]


_VERBS: dict[str, Callable[[Gateway, argparse.Namespace], Awaitable[int]]] = {
    "list": _list,
    "show": _show,
    "tail": _tail,
    "wait": _wait,
    "cancel": _cancel,
    "result": _result,
}
