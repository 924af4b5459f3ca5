"""The runs of a home in one gateway. It executes its own runs, and takes over runs whose gateway has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio import to_thread

from llm_gateway import CallContext, EventKind, Gateway, JobId, JobState
from llm_gateway.errors import GatewayError, InvalidRequest, StoreUnavailable
from llm_gateway_extension_review import reviewers
from llm_gateway_extension_review.folder import Folder
from llm_gateway_extension_review.rounds import CANCEL, Drive
from llm_gateway_extension_review.state import QUEUED, Run, Turn

log = logging.getLogger("llm_gateway_extension_review")

#: How often a gateway searches for runs whose gateway has ended. No notification reports them.
_LOOK_ROUND_S = 5.0
#: How often the state of another gateway's run is read while a call waits for it.
_LOOK_AGAIN_S = 0.3
_CANCEL_WAIT_S = 20.0
_SHOWN = 2_000  #: the last characters of a reviewer's text; its last line is shown as progress
_PRUNE_EVERY_S = 6 * 3600.0


class Reviews:
    """The runs that one gateway executes. There is one object for each gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.folder = Folder(gateway.settings.home)
        self._gateway = gateway
        self._driven: dict[str, Run] = {}  #: run id -> current state
        self._change_events: dict[str, anyio.Event] = {}
        gateway.tasks.start_soon(self._look_round)

    async def begin(self, run: Run, texts: dict[str, str]) -> None:
        """Store a run and its texts, and execute it in the background."""
        with anyio.CancelScope(shield=True):
            try:
                held = await to_thread.run_sync(self.folder.begin, run, texts)
            except OSError as error:
                raise StoreUnavailable(f"the review cannot be stored: {error}") from None
            if held is not None:
                self._drive(run, held)

    async def known(self, run_id: str, context: CallContext) -> Run:
        """Return a run of this caller. Raises InvalidRequest, with the same message for another caller's run as for an unknown one."""
        run = self._driven.get(run_id) or await to_thread.run_sync(self.folder.load, run_id)
        if run is None or run.principal != context.principal:
            raise InvalidRequest(
                f"there is no review {run_id}", recovery="Pass the reviewId of an answer without changes."
            )
        return run

    async def follow(self, run_id: str, context: CallContext, timeout_s: float | None) -> Run:
        """Wait for the end of a run or the timeout, and report the progress of the reviewers."""
        run = await self.known(run_id, context)
        with anyio.move_on_after(timeout_s):
            async with anyio.create_task_group() as tasks:
                watched: set[str] = set()
                while not run.ended:
                    for turn in run.turns if context.progress else ():
                        if turn.status == "running" and turn.job_id and turn.job_id not in watched:
                            watched.add(turn.job_id)
                            tasks.start_soon(self._report_turn, turn, context)
                    await self._wait_for_change(run_id)
                    run = await self.known(run_id, context)
                tasks.cancel_scope.cancel()
        return await self.known(run_id, context)

    async def cancel(self, run_id: str, context: CallContext) -> Run:
        """Cancel a run and its jobs, also if another gateway executes it; wait a short time for its end."""
        if not (await self.known(run_id, context)).ended:
            try:
                await to_thread.run_sync(self.folder.write, run_id, CANCEL, "")
            except OSError as error:
                raise StoreUnavailable(f"the review cannot be canceled: {error}") from None
            for turn in (await self.known(run_id, context)).turns:  # jobs that are started later see this file
                await reviewers.cancel(self._gateway, turn)
        return await self.follow(run_id, context, _CANCEL_WAIT_S)

    async def take_up(self) -> None:
        """Execute every run that no gateway executes."""
        for run_id in await to_thread.run_sync(self.folder.unfinished):
            if run_id not in self._driven:
                await self._take(run_id)

    async def _take(self, run_id: str) -> None:
        with anyio.CancelScope(shield=True):
            held = await to_thread.run_sync(self.folder.hold, run_id)
            if held is None:
                return
            run = await to_thread.run_sync(self.folder.load, run_id)
            if run is None or run.ended:
                await to_thread.run_sync(partial(self.folder.let_go, run_id, held, over=True))
            else:
                log.info("resuming %s", run_id)
                self._drive(run, held)

    def _drive(self, run: Run, held: int) -> None:
        self._driven[run.id] = run
        self._gateway.tasks.start_soon(self._driving, run, held)

    async def _driving(self, run: Run, held: int) -> None:
        over = False
        try:
            over = await Drive(self._gateway, self.folder, run, self._note)()
        finally:
            self._driven.pop(run.id, None)
            self.folder.let_go(run.id, held, over=over)
            self._notify(run.id)

    def _note(self, run: Run) -> None:
        self._driven[run.id] = run
        self._notify(run.id)

    def _notify(self, run_id: str) -> None:
        event = self._change_events.pop(run_id, None)
        if event is not None:
            event.set()

    async def _wait_for_change(self, run_id: str) -> None:
        """Wait until a run may have changed."""
        if run_id in self._driven:
            await self._change_events.setdefault(run_id, anyio.Event()).wait()
            return
        await self._take(run_id)
        if run_id not in self._driven:  # another gateway executes it and sends no notification
            await anyio.sleep(_LOOK_AGAIN_S)

    async def _report_turn(self, turn: Turn, context: CallContext) -> None:
        assert context.progress
        assert turn.job_id
        await context.progress(f"{turn.reviewer}: begins ({turn.role}, round {turn.round})")
        job = await self._gateway.store.get_job(JobId(turn.job_id))
        if job is None:
            return
        if job.state is JobState.QUEUED:
            await context.progress(f"{turn.reviewer}: {QUEUED}")
        try:
            text, writes = "", False
            async for event in self._gateway.jobs.events(job):
                if event.kind is EventKind.SESSION or not event.text.strip():
                    continue
                text = (text + event.text)[-_SHOWN:] if event.kind is EventKind.TEXT else ""
                writes = bool(text) and (writes or "```json" in text)
                status = "writes its findings" if writes else (text or event.text).strip().splitlines()[-1]
                await context.progress(f"{turn.reviewer}: {status[:200]}")
        except (GatewayError, OSError):  # without progress, the end is still reported
            pass

    async def _look_round(self) -> None:
        pruned = -_PRUNE_EVERY_S
        try:
            while True:
                try:
                    await self.take_up()
                    if time.monotonic() - pruned > _PRUNE_EVERY_S:
                        pruned = time.monotonic()
                        kept_s = self._gateway.settings.jobs.retention_days * 86_400
                        await to_thread.run_sync(self.folder.prune, time.time() - kept_s)
                except OSError as error:
                    log.warning("could not resume reviews: %s", error)
                await anyio.sleep(_LOOK_ROUND_S)
        finally:
            _OF_GATEWAY.pop(self._gateway, None)


@asynccontextmanager
async def recovering(gateway: Gateway) -> AsyncIterator[None]:
    """Resume unfinished runs as soon as the gateway serves, without a request."""
    reviews_of(gateway)
    yield


#: The runs of each open gateway of this process.
_OF_GATEWAY: dict[Gateway, Reviews] = {}


def reviews_of(gateway: Gateway) -> Reviews:
    """Return the runs of this gateway. The first call starts resuming runs of ended gateways."""
    if gateway not in _OF_GATEWAY:
        _OF_GATEWAY[gateway] = Reviews(gateway)
    return _OF_GATEWAY[gateway]
