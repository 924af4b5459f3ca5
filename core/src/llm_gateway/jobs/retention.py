"""Removal of old jobs and their files."""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import anyio
from anyio import to_thread

from llm_gateway.errors import StoreUnavailable
from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.spool import Spool
from llm_gateway.model.store import Store

log = logging.getLogger("llm_gateway.jobs")

_EVERY_S = 6 * 3600.0


class Retention:
    """Removes jobs that ended longer ago than the retention time.

    :param home: the gateway's home directory.
    :param days: how long ended jobs are kept.
    """

    def __init__(self, store: Store, engine: Engine, spool: Spool, home: Path, days: float) -> None:
        self._store = store
        self._engine = engine
        self._spool = spool
        self._home = home
        self._days = days

    async def keep_pruning(self) -> None:
        """Prune now, then every six hours, or four times within a shorter retention time."""
        while True:
            try:
                now = await to_thread.run_sync(_believed, self._home / "pruned", datetime.now(timezone.utc))
                await self.prune(now)
            except (StoreUnavailable, OSError, RuntimeError) as error:
                log.warning("old jobs could not be removed: %s", error)
            await anyio.sleep(max(1.0, min(_EVERY_S, self._days * 86_400 / 4)))

    async def prune(self, now: datetime) -> None:
        """Remove jobs that ended before the retention time, and equally old files without a job.

        A gateway that is killed while it accepts a request leaves such files.
        """
        before = now - timedelta(days=self._days)
        while gone := await self._store.prune(before):
            for job_id in gone:
                await to_thread.run_sync(self._forget, job_id)
        for job_id in await to_thread.run_sync(self._spool.leftovers, before):
            if await self._store.get_job(job_id) is None:
                await to_thread.run_sync(self._forget, job_id)

    def _forget(self, job_id: JobId) -> None:
        try:
            self._engine.forget(job_id)
        except (OSError, RuntimeError, ValueError) as error:  # remove the others now, and try this one again later
            log.warning("the folder of %s could not be removed: %s", job_id, error)


def _believed(mark: Path, now: datetime) -> datetime:
    """Return now, but at most a day after the last call, so that a clock that jumps forward does not make all jobs old at once."""
    moment = min(now.timestamp(), mark.stat().st_mtime + 86_400.0) if mark.exists() else now.timestamp()
    mark.touch(0o600)
    os.utime(mark, (moment, moment))
    return datetime.fromtimestamp(moment, timezone.utc)
