"""All runs of a home, as one gateway sees them: it drives its own, and those that nobody drives any more."""

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
from llm_gateway_extension_review.state import Run, Turn

log = logging.getLogger("llm_gateway_extension_review")

#: How often a gateway looks for runs whose gateway died. Nobody rings for them.
_LOOK_ROUND_S = 5.0
#: How often who waits for another gateway's run reads how it stands.
_LOOK_AGAIN_S = 0.3
_CANCEL_WAIT_S = 20.0
_SHOWN = 2_000  #: letters of what a reviewer says, of which the last line is told
_PRUNE_EVERY_S = 6 * 3600.0


class Reviews:
    """One per gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.folder = Folder(gateway.settings.home)
        self._gateway = gateway
        self._driven: dict[str, Run] = {}  #: as they stand now
        self._stirred: dict[str, anyio.Event] = {}
        gateway.tasks.start_soon(self._look_round)

    async def begin(self, run: Run, texts: dict[str, str]) -> None:
        """Keep a run and its texts, and drive it from now on, whoever waits for it."""
        with anyio.CancelScope(shield=True):
            try:
                held = await to_thread.run_sync(self.folder.begin, run, texts)
            except OSError as error:
                raise StoreUnavailable(f"the review cannot be kept: {error}") from None
            if held is not None:
                self._drive(run, held)

    async def known(self, run_id: str, context: CallContext) -> Run:
        """A run of this caller's, as it stands. Raises InvalidRequest: another's is not told apart from none."""
        run = self._driven.get(run_id) or await to_thread.run_sync(self.folder.load, run_id)
        if run is None or run.principal != context.principal:
            raise InvalidRequest(f"there is no review {run_id}", recovery="Pass the reviewId of an answer, as it was.")
        return run

    async def follow(self, run_id: str, context: CallContext, timeout_s: float | None) -> Run:
        """Wait for the end of a run, or until the time is over; meanwhile tell what the reviewers do."""
        run = await self.known(run_id, context)
        with anyio.move_on_after(timeout_s):
            async with anyio.create_task_group() as tasks:
                watched: set[str] = set()
                while not run.ended:
                    for turn in run.turns if context.progress else ():
                        if turn.status == "running" and turn.job_id and turn.job_id not in watched:
                            watched.add(turn.job_id)
                            tasks.start_soon(self._tell, turn, context)
                    await self._stir(run_id)
                    run = await self.known(run_id, context)
                tasks.cancel_scope.cancel()
        return await self.known(run_id, context)

    async def cancel(self, run_id: str, context: CallContext) -> Run:
        """End a run and all that it has started, whoever drives it; wait a little for its end."""
        if not (await self.known(run_id, context)).ended:
            try:
                await to_thread.run_sync(self.folder.write, run_id, CANCEL, "")
            except OSError as error:
                raise StoreUnavailable(f"the review cannot be canceled: {error}") from None
            for turn in (await self.known(run_id, context)).turns:  # who starts a job from now on sees the file
                await reviewers.cancel(self._gateway, turn)
        return await self.follow(run_id, context, _CANCEL_WAIT_S)

    async def take_up(self) -> None:
        """Drive every run that nobody drives."""
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
                log.info("going on with %s", run_id)
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
            self._wake(run.id)

    def _note(self, run: Run) -> None:
        self._driven[run.id] = run
        self._wake(run.id)

    def _wake(self, run_id: str) -> None:
        if (event := self._stirred.pop(run_id, None)) is not None:
            event.set()

    async def _stir(self, run_id: str) -> None:
        """Wait until a run is worth another look."""
        if run_id in self._driven:
            await self._stirred.setdefault(run_id, anyio.Event()).wait()
            return
        await self._take(run_id)
        if run_id not in self._driven:  # another gateway drives it, and says nothing
            await anyio.sleep(_LOOK_AGAIN_S)

    async def _tell(self, turn: Turn, context: CallContext) -> None:
        assert context.progress
        assert turn.job_id
        await context.progress(f"{turn.reviewer}: begins ({turn.role}, round {turn.round})")
        job = await self._gateway.store.get_job(JobId(turn.job_id))
        if job is None:
            return
        if job.state is JobState.QUEUED:
            await context.progress(f"{turn.reviewer}: waiting for a place")
        try:
            said, writes = "", False
            async for event in self._gateway.jobs.events(job):
                if event.kind is EventKind.SESSION or not event.text.strip():
                    continue
                said = (said + event.text)[-_SHOWN:] if event.kind is EventKind.TEXT else ""
                writes = bool(said) and (writes or "```json" in said)
                words = "writes its findings" if writes else (said or event.text).strip().splitlines()[-1]
                await context.progress(f"{turn.reviewer}: {words[:200]}")
        except (GatewayError, OSError):  # who cannot be told what goes on is still told how it ended
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
                    log.warning("could not look after reviews: %s", error)
                await anyio.sleep(_LOOK_ROUND_S)
        finally:
            _OF_GATEWAY.pop(self._gateway, None)


@asynccontextmanager
async def recovering(gateway: Gateway) -> AsyncIterator[None]:
    """Look after runs from the beginning, also when nobody asks for one."""
    reviews_of(gateway)
    yield


#: Of the open gateways of this process.
_OF_GATEWAY: dict[Gateway, Reviews] = {}


def reviews_of(gateway: Gateway) -> Reviews:
    """The runs, as this gateway sees them; looking after them begins with the first call."""
    if gateway not in _OF_GATEWAY:
        _OF_GATEWAY[gateway] = Reviews(gateway)
    return _OF_GATEWAY[gateway]
