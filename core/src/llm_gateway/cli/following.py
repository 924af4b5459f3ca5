"""Watching a job: what its agent does, line by line, until it has ended."""

from __future__ import annotations

import sys

import anyio

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.screen import one_line, say, styled
from llm_gateway.errors import GatewayError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.reply import Event, EventKind

#: How long the last events may take to be shown once the job has ended.
_REST_S = 2.0
_MARKS = {EventKind.TOOL: "▸", EventKind.STATUS: "·", EventKind.TEXT: " "}


async def follow(gateway: GatewayApi, job: Job, *, show: bool) -> None:
    """Wait for the end of a job; with `show`, tell on stderr what its agent does."""
    async with anyio.create_task_group() as tasks:
        seen = anyio.Event()
        if show:
            tasks.start_soon(_show, gateway, job, seen)
        await gateway.jobs.wait([job.id], until_all=True, timeout_s=None)
        if show:
            with anyio.move_on_after(_REST_S):
                await seen.wait()
        tasks.cancel_scope.cancel()


async def _show(gateway: GatewayApi, job: Job, seen: anyio.Event) -> None:
    if job.state is JobState.QUEUED:
        say(styled("· waiting for a place", "dim", sys.stderr), sys.stderr)
    try:
        if job.provider in gateway.providers:
            async for event in gateway.jobs.events(job):
                _tell(event)
    except GatewayError:  # its job files are gone; the reply is kept elsewhere
        pass
    seen.set()


def _tell(event: Event) -> None:
    mark = _MARKS.get(event.kind)
    text = one_line(event.text, 160)
    if mark is not None and text:
        say(styled(f"{mark} {text}", "dim", sys.stderr), sys.stderr)


def exit_of_status(status: str) -> Exit:
    """Completed is well, unfinished is unfinished, all else has failed."""
    if status == JobState.COMPLETED.value:
        return Exit.OK
    return Exit.UNFINISHED if status in ("queued", "running", "deferred") else Exit.FAILED
