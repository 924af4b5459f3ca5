"""Follow a job: show line by line what its agent does, until the job has ended."""

from __future__ import annotations

import sys

import anyio

from llm_gateway.cli.screen import one_line, say, styled
from llm_gateway.errors import GatewayError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.reply import Event, EventKind

#: How long to wait for the last events after the job has ended.
_LAST_EVENTS_S = 2.0
_MARKS = {EventKind.TOOL: "▸", EventKind.STATUS: "·", EventKind.TEXT: " "}


async def follow(gateway: GatewayApi, job: Job, *, show: bool) -> None:
    """Wait for the end of a job. With `show`, print on stderr what its agent does."""
    async with anyio.create_task_group() as tasks:
        seen = anyio.Event()
        if show:
            tasks.start_soon(_show, gateway, job, seen)
        await gateway.jobs.wait([job.id], until_all=True, timeout_s=None)
        if show:
            with anyio.move_on_after(_LAST_EVENTS_S):
                await seen.wait()
        tasks.cancel_scope.cancel()


async def _show(gateway: GatewayApi, job: Job, seen: anyio.Event) -> None:
    if job.state is JobState.QUEUED:
        say(styled("· queued", "dim", sys.stderr), sys.stderr)
    try:
        if job.provider in gateway.providers:
            async for event in gateway.jobs.events(job):
                _show_event(event)
    except GatewayError:  # its job files are deleted; the reply is stored elsewhere
        pass
    seen.set()


def _show_event(event: Event) -> None:
    mark = _MARKS.get(event.kind)
    text = one_line(event.text, 160)
    if mark is not None and text:
        say(styled(f"{mark} {text}", "dim", sys.stderr), sys.stderr)
