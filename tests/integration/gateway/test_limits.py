"""How much may happen at once in one home, over all its gateways."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import anyio
import pytest

from llm_gateway.errors import InvalidRequest, Saturated
from llm_gateway.model.ids import JobId, new_job_id
from llm_gateway.model.job import JobState
from tests.integration.gateway.world import Caller, Home, refused

pytestmark = pytest.mark.anyio


async def test_lesson_16_beyond_the_limits_jobs_wait_and_beyond_the_queue_they_are_refused(home: Home) -> None:
    home.set(limits__running=1, limits__queued=1)
    async with home.open() as caller:
        first = await caller.start("first", scenario="hang")
        second = await caller.start("second")
        folders = home.folders()
        error = await refused(Saturated, caller.start("third"))
        assert error.retryable
        assert error.recovery is not None
        assert home.folders() == folders
        assert [job["id"] for job in await caller.jobs()] == [second, first]
        status = await caller.call("llm_job_status", jobId=second)
        assert (status["job"]["status"], status["queuePlace"]) == ("queued", 1)
        await caller.cancel(first)
        await caller.wait(second)
        assert (await caller.result(second))["text"] == "echo: second"


async def test_jobs_are_started_in_the_order_they_came(home: Home) -> None:
    home.set(limits__running=1)
    async with home.open() as caller:
        jobs = [await caller.start(f"number {number}") for number in range(6)]
        await caller.wait(*jobs)
        started = {job["id"]: job["startedAt"] for job in await caller.jobs()}
        ended = {job["id"]: job["endedAt"] for job in await caller.jobs()}
    assert sorted(jobs, key=started.__getitem__) == jobs
    assert all(ended[earlier] <= started[later] for earlier, later in pairwise(jobs))


async def test_lesson_17_one_full_provider_does_not_hold_up_another(home: Home) -> None:
    home.set(limits__running=3, limits__per_provider=1)
    async with home.open() as caller:
        await caller.start("first", scenario="hang")
        waiting = await caller.start("second", scenario="hang")
        store, limits = caller.gateway.store, caller.gateway.limits
        job = await store.get_job(JobId(waiting))
        assert job is not None
        foreign = replace(job, id=new_job_id(), provider="another", dedup_key=None, session_id=None)
        admitted = await store.admit(foreign, session=None, limits=limits, dedup_window_s=0, queue_if_busy=False)
        assert admitted.job.state is JobState.RUNNING
        assert await caller.state(waiting) == "queued"
        ended = replace(admitted.job, state=JobState.CANCELED, ended_at=admitted.job.created_at)
        assert await store.finish_job(ended, owner=job.owner, record=None)


async def test_a_provider_may_have_a_limit_of_its_own(home: Home) -> None:
    home.set(providers__echo__max_running=1)
    async with home.open() as caller:
        first = await caller.start("first", scenario="hang")
        second = await caller.start("second")
        assert [await caller.state(job) for job in (first, second)] == ["running", "queued"]
        await caller.cancel(first)
        await caller.wait(second)


async def test_limits_hold_across_gateways(home: Home) -> None:
    home.set(limits__running=3)
    most = 0
    async with home.open() as caller, home.peer() as peer:
        jobs: set[str] = set()

        async def burst(who: Caller, name: str) -> None:
            for number in range(6):
                job = await who.start(f"{name} {number}", scenario="silent", delayMs=120)
                jobs.add(job)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(burst, caller, "ours")
            tasks.start_soon(burst, peer, "theirs")
        with anyio.fail_after(30):
            while unfinished := await caller.gateway.store.unfinished():
                views = [caller.gateway.engine.view(job.id) for job in unfinished]
                most = max(most, sum(view.alive for view in views))
                await anyio.lowlevel.checkpoint()
        assert {job["status"] for job in await caller.jobs()} == {"completed"}
        assert len(jobs) == 12
    assert 1 < most <= 3


async def test_lesson_77_a_run_is_told_how_deep_it_is_and_too_deep_is_refused(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("LLM_GATEWAY_DEPTH", scenario="env")
        assert '"LLM_GATEWAY_DEPTH": "1"' in told["text"]
    home.set(depth=2)
    async with home.open() as caller:
        told = await caller.ask("LLM_GATEWAY_DEPTH", scenario="env")
        assert '"LLM_GATEWAY_DEPTH": "3"' in told["text"]
    home.set(depth=3)
    async with home.open() as caller:
        error = await refused(InvalidRequest, caller.ask("deeper"))
        assert "nested" in error.message
        assert len(await caller.jobs()) == 2
    home.set(limits__max_depth=3)
    async with home.open() as caller:
        assert (await caller.ask("deeper"))["status"] == "completed"


async def test_health_shows_what_runs_and_waits_and_what_the_limits_are(home: Home) -> None:
    home.set(limits__running=1)
    async with home.open() as caller:
        first = await caller.start("first", scenario="hang")
        second = await caller.start("second", scenario="hang")
        await caller.said(first)
        health = await caller.call("llm_process_health")
    [running], [queued] = health["running"], health["queued"]
    assert (running["id"], running["alive"], running["adopted"]) == (first, True, False)
    assert running["pid"] != running["shimPid"]
    assert running["rssBytes"] > 1_000_000
    assert queued["id"] == second
    assert health["limits"] == {"running": 1, "perProvider": 16, "queued": 128}
    assert health["store"]["jobs"]["running"] == 1
    assert health["pluginProblems"] == []
