"""How long things are kept."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest

from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


async def test_jobs_records_and_folders_go_together_after_their_time(home: Home) -> None:
    home.set(job_retention_days=2)
    async with home.open() as caller:
        told = await caller.ask("old")
        running = await caller.start("running", scenario="hang")
        await caller.gateway.jobs.retention.prune(datetime.now(timezone.utc) + timedelta(days=1))
        assert len(await caller.jobs()) == 2
        await caller.gateway.jobs.retention.prune(datetime.now(timezone.utc) + timedelta(days=3))
        assert [job["id"] for job in await caller.jobs()] == [running]
        assert await caller.gateway.store.list_records() == []
        assert home.folders() == [running]
        again = await caller.ask("what?", sessionId=told["sessionId"], scenario="recall")
    assert again["text"] == "old"


async def test_folders_that_belong_to_no_job_go_too_and_strange_ones_stop_nothing(home: Home) -> None:
    long_ago = (datetime.now(timezone.utc) - timedelta(days=40)).timestamp()
    async with home.open() as caller:
        told = await caller.ask("kept")
        for name in ("job-of-nobody", "not a job id"):
            folder = home.folder(name)
            folder.mkdir()
            (folder / "request.json").write_text("{}")
            os.utime(folder, (long_ago, long_ago))
        fresh = home.folder("job-just-now")
        fresh.mkdir()
        await caller.gateway.jobs.retention.prune(datetime.now(timezone.utc))
    assert home.folders() == sorted([told["jobId"], "job-just-now", "not a job id"])
