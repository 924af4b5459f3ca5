"""Old jobs go, with all that they left on the disk."""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from llm_gateway.errors import StoreUnavailable
from llm_gateway.model.ids import JobId

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway

log = logging.getLogger("llm_gateway.retention")

_EVERY_S = 6 * 3600.0


async def keep_pruning(gateway: Gateway) -> None:
    """Remove what is past its time: now, and every few hours or, where less is kept, four times in that time."""
    while True:
        try:
            now = await to_thread.run_sync(_believed, gateway.settings.home / "pruned", datetime.now(timezone.utc))
            await prune(gateway, now)
        except (StoreUnavailable, OSError, RuntimeError) as error:
            log.warning("old jobs could not be removed: %s", error)
        await anyio.sleep(max(1.0, min(_EVERY_S, gateway.settings.jobs.retention_days * 86_400 / 4)))


async def prune(gateway: Gateway, now: datetime) -> None:
    """Remove jobs that ended before the retention's beginning, and folders as old that belong to no job.

    Such a folder is left when a gateway is killed while it takes a request in.
    """
    before = now - timedelta(days=gateway.settings.jobs.retention_days)
    while gone := await gateway.store.prune(before):
        for job_id in gone:
            await to_thread.run_sync(_forget, gateway, job_id)
    for name in await to_thread.run_sync(_old_folders, gateway.settings.home / "jobs", before.timestamp()):
        if await gateway.store.get_job(JobId(name)) is None:
            await to_thread.run_sync(_forget, gateway, JobId(name))


def _believed(mark: Path, now: datetime) -> datetime:
    """Now, but at most a day after the last look: what a clock that leaps ahead makes old must not go at once."""
    moment = min(now.timestamp(), mark.stat().st_mtime + 86_400.0) if mark.exists() else now.timestamp()
    mark.touch(0o600)
    os.utime(mark, (moment, moment))
    return datetime.fromtimestamp(moment, timezone.utc)


def _old_folders(jobs: Path, before: float) -> list[str]:
    return [folder.name for folder in jobs.glob("*") if folder.lstat().st_mtime < before]


def _forget(gateway: Gateway, job_id: JobId) -> None:
    try:
        gateway.engine.forget(job_id)
    except (OSError, RuntimeError, ValueError) as error:  # it is tried again the next time, and the others go
        log.warning("the folder of %s could not be removed: %s", job_id, error)
