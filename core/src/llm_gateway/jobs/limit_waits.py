"""End runs whose CLI waits until a limit of its service is reset.

Such a CLI may wait for hours without a word; its caller would see a run that does nothing. The run is ended instead, and the job
fails with the time at which the limit is reset.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timezone

import anyio
from anyio import to_thread

from llm_gateway.errors import GatewayError
from llm_gateway.jobs.job_files import JobFiles
from llm_gateway.jobs.output import LiveOutput
from llm_gateway.jobs.table import JobTable
from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.store import Store

log = logging.getLogger("llm_gateway.jobs")

#: How often the output of the runs is examined, in seconds.
_LOOK_S = 5.0


class LimitWaits:
    """Examines the output of the running jobs of this gateway whose CLI may wait."""

    def __init__(
        self,
        *,
        longest_s: float,
        store: Store,
        engine: Engine,
        files: JobFiles,
        table: JobTable,
        providers: Mapping[str, ProviderInfo],
        output: Callable[[Job], Awaitable[LiveOutput]],
    ) -> None:
        self._longest_s = longest_s
        self._store = store
        self._engine = engine
        self._files = files
        self._table = table
        self._providers = providers
        self._output = output

    async def keep_looking(self) -> None:
        """Examine the runs periodically. Returns at once if no CLI waits, or if the settings let it wait."""
        if not self._longest_s or not any(info.waits_for_limits for info in self._providers.values()):
            return
        while True:
            await anyio.sleep(_LOOK_S)
            for job_id in self._table.running():
                await self._examine(job_id)

    async def _examine(self, job_id: JobId) -> None:
        try:
            await self._end_if_waiting(job_id)
        except (GatewayError, OSError, RuntimeError) as error:  # the next look tries again
            log.warning("could not check whether %s waits for a limit: %s", job_id, error)

    async def _end_if_waiting(self, job_id: JobId) -> None:
        accepted = self._table.accepted(job_id)
        if accepted is not None and not self._may_wait(accepted.request.provider):
            return
        job = await self._store.get_job(job_id)
        if job is None or job.state.ended or not self._may_wait(job.provider):
            return
        output = await self._output(job)
        await to_thread.run_sync(output.advance)
        until = output.waiting_until
        if until is None or (until - datetime.now(timezone.utc)).total_seconds() <= self._longest_s:
            return
        log.info("%s would wait for a limit until %s: it is ended", job_id, until)
        await to_thread.run_sync(self._files.keep_wait, job_id, until)
        await self._engine.cancel(job_id)

    def _may_wait(self, provider: str) -> bool:
        info = self._providers.get(provider)
        return info is not None and info.waits_for_limits
