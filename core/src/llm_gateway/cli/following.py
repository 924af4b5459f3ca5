"""Follow a job at the terminal: show what its agent does and print the answer as it comes, until the job has ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import datetime, timezone

import anyio

from llm_gateway.cli.lists import clipped, columns_of
from llm_gateway.cli.screen import is_terminal, one_line, say, shown, styled
from llm_gateway.errors import GatewayError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.reply import Event, EventKind
from llm_gateway.terminal import display, line_for

#: How long to wait for the last events after the job has ended.
_LAST_EVENTS_S = 2.0
_REDRAW_S = 1.0
_MARKS = {EventKind.TOOL: "▸", EventKind.STATUS: "·", EventKind.TEXT: " "}
#: The beginning of a job's id that the commands understand: `job-` and the time.
SHORT_ID_CHARS = len("job-") + 11


async def follow(gateway: GatewayApi, job: Job, *, show: bool, keep_lines: bool = True) -> str:
    """Wait for the end of a job. Returns the text that was printed to stdout, for `show_answer`.

    :param show: print on stderr what the agent does; on a terminal also a line with agent, activity, elapsed time and job, and
        the agent's text on stdout as it comes.
    :param keep_lines: on a terminal, each step of the agent stays on the screen, not only the newest.
    """
    screen = _Screen(job, keep_lines=keep_lines)
    try:
        async with anyio.create_task_group() as tasks:
            seen = anyio.Event()
            if show:
                tasks.start_soon(_show, gateway, job, screen, seen)
                tasks.start_soon(screen.redraw)
            await gateway.jobs.wait([job.id], until_all=True, timeout_s=None)
            if show:
                with anyio.move_on_after(_LAST_EVENTS_S):
                    await seen.wait()
            tasks.cancel_scope.cancel()
    finally:
        screen.clear()
    return "\n".join(screen.streamed)


def say_detached(job_ids: Iterable[str]) -> None:
    """Tell a user who pressed Ctrl-C that the jobs continue, and how to return to them."""
    ids = list(job_ids)
    what = "the job continues" if len(ids) == 1 else "the jobs continue"
    say(f"\ndetached; {what}; wait with: llm-gateway jobs wait {' '.join(ids)}", sys.stderr)
    if len(ids) == 1:
        say(f"see the answer with: llm-gateway jobs tail {ids[0]}", sys.stderr)


async def _show(gateway: GatewayApi, job: Job, screen: _Screen, seen: anyio.Event) -> None:
    if job.state is JobState.QUEUED:
        screen.note("· queued")
    try:
        if job.provider in gateway.providers:
            async for event in gateway.jobs.events(job):
                screen.take(event)
    except GatewayError:  # its job files are deleted; the reply is stored elsewhere
        pass
    seen.set()


class _Screen:
    """What is shown of one job. Without a terminal: one line for each step."""

    def __init__(self, job: Job, *, keep_lines: bool) -> None:
        self.streamed: list[str] = []  #: the agent's texts that stdout has got
        self._job = job
        self._moves = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        self._streams = self._moves and is_terminal(sys.stdout)
        self._keeps_lines = keep_lines or not self._moves
        self._activity = "starting"
        self._drawn = False

    def take(self, event: Event) -> None:
        """Show an event."""
        mark = _MARKS.get(event.kind)
        text = one_line(event.text, 160)
        if mark is None or not text:
            return
        if event.kind is EventKind.TEXT and self._streams:
            self.clear()
            say(shown(event.text.rstrip("\n"), sys.stdout))
            self.streamed.append(event.text)
        elif self._keeps_lines:
            self.note(f"{mark} {text}")
        self._activity = "writing" if event.kind is EventKind.TEXT else text
        self._draw()

    def note(self, text: str) -> None:
        """Print a line on stderr."""
        self.clear()
        say(styled(text, "dim", sys.stderr), sys.stderr)

    async def redraw(self) -> None:
        """Show the elapsed time, until canceled."""
        while self._moves:
            self._draw()
            await anyio.sleep(_REDRAW_S)

    def clear(self) -> None:
        """Remove the line that changes."""
        if self._drawn:
            self._write("\r\x1b[2K")
            self._drawn = False

    def _draw(self) -> None:
        columns = columns_of(sys.stderr) if self._moves else None
        if columns is None:
            return
        seconds = int((datetime.now(timezone.utc) - self._job.created_at).total_seconds())
        tail = f" · {seconds // 60}:{seconds % 60:02} · {self._job.id[:SHORT_ID_CHARS]}"
        head = clipped(f"{self._job.provider} · {self._activity}", max(10, columns - 1 - len(tail)))
        line = clipped(head + tail, columns - 1)  # a full line would wrap
        self._write(f"\r\x1b[2K{line_for(styled(line, 'dim', sys.stderr), sys.stderr)}")
        self._drawn = True

    @staticmethod
    def _write(text: str) -> None:
        out = display(sys.stderr)
        out.write(text.encode(out.encoding or "utf-8", "replace").decode(out.encoding or "utf-8"))
        out.flush()
