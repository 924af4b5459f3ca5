"""Many jobs, several gateways, and sudden deaths: nothing is lost, nothing is run twice, nothing hangs."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress

import anyio
import pytest

from llm_gateway.model.ids import JobId
from tests.busy import pause
from tests.integration.gateway.world import Caller, Home, Peer

pytestmark = pytest.mark.anyio


async def flood(who: Caller, name: str, started: dict[str, str]) -> None:
    with suppress(anyio.BrokenResourceError):  # it was killed
        for number in range(12):
            words = f"{name} {number}"
            started[await who.start(words, scenario="steps", amount=2, delayMs=40)] = words


async def strike(whom: Peer, started: dict[str, str], after: int) -> None:
    """Kill a gateway once so many jobs have been accepted in all, its own among them."""
    while len(started) < after:
        await pause()
    await whom.kill()


async def test_lesson_08_every_job_that_was_accepted_is_run_once_whoever_dies(home: Home) -> None:
    home.set(limits__running=4)
    started: dict[str, str] = {}
    async with home.open() as caller:
        async with home.peer() as first, home.peer() as second:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(flood, first, "first", started)
                tasks.start_soon(flood, second, "second", started)
                tasks.start_soon(flood, caller, "ours", started)
                tasks.start_soon(strike, second, started, 36)
            await first.kill()
        assert (await caller.wait(*started))["pending"] == []
        for job, words in started.items():
            told = await caller.result(job)
            assert (told["status"], told["text"]) == ("completed", f"echo: {words}")
            output = caller.gateway.engine.read_output(JobId(job), "stdout", 0, 1 << 20).decode()
            assert Counter(json.loads(line)["type"] for line in output.splitlines())["session"] == 1
        assert len(await caller.jobs(limit=500)) == len(started) == 36
        records = await caller.gateway.store.list_records(limit=500)
        assert Counter(record.job_id for record in records) == Counter(started.keys())


@pytest.mark.parametrize("after", [1, 4, 9])
async def test_a_gateway_killed_while_it_takes_requests_in_leaves_no_half_job(home: Home, after: int) -> None:
    home.set(limits__running=2)
    started: dict[str, str] = {}
    async with home.peer() as peer, anyio.create_task_group() as tasks:
        for name in ("one", "two", "three"):
            tasks.start_soon(flood, peer, name, started)
        await strike(peer, started, after)
        tasks.cancel_scope.cancel()  # the last answers will never come
    async with home.open() as caller:
        jobs = [job["id"] for job in await caller.jobs()]
        assert started.keys() <= set(jobs)
        assert (await caller.wait(*jobs))["pending"] == []
        assert {job["status"] for job in await caller.jobs()} == {"completed"}


async def test_many_cancel_one_job_from_everywhere_at_once(home: Home) -> None:
    answers: list[str] = []
    async with home.open() as caller, home.open(leave=True) as other, home.peer() as peer:
        job = await peer.start("everybody's", scenario="hang", onTerm="ignore")

        async def cancel(who: Caller) -> None:
            answers.append((await who.cancel(job))["job"]["status"])

        async with anyio.create_task_group() as tasks:
            for who in (caller, other, peer) * 3:
                tasks.start_soon(cancel, who)
        assert len(await caller.gateway.store.list_records()) == 1
    assert answers == ["canceled"] * 9


async def test_jobs_that_are_canceled_at_once_never_hang_whatever_stage_they_are_in(home: Home) -> None:
    home.set(limits__running=2)
    async with home.open() as caller:
        jobs = [await caller.start(f"number {number}", scenario="hang") for number in range(10)]
        async with anyio.create_task_group() as tasks:
            for job in jobs:
                tasks.start_soon(caller.cancel, job)
        assert {job["status"] for job in await caller.jobs()} == {"canceled"}
        assert len((await caller.call("llm_process_health"))["running"]) == 0
