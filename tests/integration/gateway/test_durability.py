"""What ends when somebody dies, and what does not."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import anyio
import pytest

from llm_gateway.errors import StoreUnavailable
from llm_gateway.jobs import job_files, queue
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import JobState
from llm_gateway_engine_local.engine import LocalEngine
from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


async def over(home: Home, job_id: str) -> None:
    """Wait for the end of a run, without a gateway that manages it."""
    engine = LocalEngine(home.path)
    await engine.aopen()
    async for _ in engine.changes(JobId(job_id)):
        pass
    await engine.aclose()


async def test_lesson_06_a_job_outlives_the_client_and_the_gateway_that_it_closed(home: Home) -> None:
    async with home.peer() as peer:
        job = await peer.start("go on without me", scenario="silent", delayMs=1500)
    async with home.open() as caller:
        health = await caller.call("llm_process_health")
        assert [(run["id"], run["adopted"]) for run in health["running"]] == [(job, True)]
        await caller.wait(job)
        assert (await caller.result(job))["text"] == "echo: go on without me"


async def test_lesson_07_what_a_run_says_after_its_gateway_was_killed_is_not_lost(home: Home) -> None:
    async with home.peer() as peer:
        job = await peer.start("to the end", scenario="steps", amount=6, delayMs=300)
        await peer.kill()
    async with home.open() as caller:
        await caller.wait(job)
        told = await caller.result(job)
        page = (await caller.result(job, raw="stdout"))["page"]
    assert (told["status"], told["text"]) == ("completed", "echo: to the end")
    assert page["text"].count("step ") == 6


async def test_lesson_08_after_a_crash_the_state_is_right_within_a_second(home: Home) -> None:
    """Ended meanwhile, running still, killed with everything: each is known as soon as the next gateway answers."""
    async with home.peer() as peer:
        ended = await peer.start("quick", scenario="silent", delayMs=400)
        running = await peer.start("slow", scenario="hang")
        killed = await peer.start("dies too", scenario="steps", delayMs=30_000)
        health = await peer.call("llm_process_health")
        while len([run for run in health["running"] if run.get("stdoutBytes")]) < 2:
            health = await peer.call("llm_process_health")
        shim = next(run["shimPid"] for run in health["running"] if run["id"] == killed)
        await peer.kill()
        os.kill(shim, signal.SIGKILL)
        await over(home, ended)
    begun = anyio.current_time()
    async with home.open() as caller:
        await caller.wait(ended, killed, timeoutMs=1000)
        states = {job["id"]: job["status"] for job in await caller.jobs()}
        took = anyio.current_time() - begun
        partial = await caller.result(killed)
    assert states == {ended: "completed", running: "running", killed: "interrupted"}
    assert took < 1.0
    assert (partial["text"], partial["partial"]) == ("step 1 of 3", True)


async def test_lesson_05_an_answer_whose_run_was_killed_is_partial_and_no_success(home: Home) -> None:
    async with home.open() as caller:
        job = await caller.start("cut", scenario="steps", delayMs=30_000)
        await caller.said(job, "step 1")
        os.kill((await caller.call("llm_process_health"))["running"][0]["shimPid"], signal.SIGKILL)
        await caller.wait(job)
        told = await caller.result(job)
        assert (told["status"], told["partial"], told["text"]) == ("interrupted", True, "step 1 of 3")
        assert (told["error"]["code"], told["error"]["retryable"]) == ("interrupted", True)
        assert await caller.start("cut", scenario="steps", delayMs=30_000) != job


async def test_jobs_that_waited_when_their_gateway_was_killed_are_run_by_the_next_one(home: Home) -> None:
    home.set(limits__running=1)
    async with home.peer() as peer:
        first = await peer.start("first", scenario="silent", delayMs=800)
        second = await peer.start("second")
        third = await peer.start("third")
        await peer.kill()
    async with home.open() as caller:
        assert (await caller.wait(first, second, third))["pending"] == []
        texts = [(await caller.result(job))["text"] for job in (first, second, third)]
    assert texts == ["echo: first", "echo: second", "echo: third"]


async def test_a_living_gateway_takes_over_the_jobs_of_one_that_was_killed(home: Home) -> None:
    home.set(limits__running=1)
    async with home.open() as caller:
        async with home.peer() as peer:
            first = await peer.start("first", scenario="silent", delayMs=800)
            second = await peer.start("second")
            await peer.kill()
        assert (await caller.wait(first, second))["pending"] == []
        assert (await caller.result(first))["text"] == "echo: first"
        assert (await caller.result(second))["text"] == "echo: second"


async def test_lesson_04_a_third_gateway_does_not_touch_the_jobs_of_the_living(home: Home) -> None:
    async with home.open() as caller, home.peer() as peer:
        jobs = [await who.start(f"mine {number}", scenario="hang") for number, who in enumerate((caller, peer))]
        owners = home.rows("SELECT id, owner, state FROM jobs ORDER BY id")
        async with home.open(leave=True) as third:
            for job in jobs:
                assert await third.state(job) == "running"
            assert home.rows("SELECT id, owner, state FROM jobs ORDER BY id") == owners
        assert home.rows("SELECT id, owner, state FROM jobs ORDER BY id") == owners
        for job in jobs:
            assert (await caller.cancel(job))["job"]["status"] == "canceled"


async def test_lesson_03_a_late_writer_does_not_overwrite_what_was_concluded(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("final")
        store = caller.gateway.store
        job = await store.get_job(JobId(told["jobId"]))
        assert job is not None
        late = replace(job, state=type(job.state).FAILED, error_code="interrupted")
        assert not await store.finish_job(late, owner=job.owner, record=None)
        assert (await caller.result(told["jobId"]))["status"] == "completed"


@pytest.mark.parametrize("trouble", ["store", "disk"])
async def test_lesson_18_a_result_is_not_lost_when_it_cannot_be_stored_at_first(
    home: Home, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[int] = []
    async with home.open() as caller:
        gateway = caller.gateway
        finish = gateway.store.finish_job

        async def finish_job(*arguments: Any, **named: Any) -> bool:
            if len(failures) < 3:
                failures.append(1)
                raise StoreUnavailable("database is locked")
            return await finish(*arguments, **named)

        def keep_reply(*arguments: Any) -> None:
            if len(failures) < 3:
                failures.append(1)
                raise OSError(28, "No space left on device")
            write(*arguments)

        if trouble == "store":
            monkeypatch.setattr(gateway.store, "finish_job", finish_job)
        else:
            write = job_files.keep_reply
            monkeypatch.setattr(job_files, "keep_reply", keep_reply)
        told = await caller.ask("kept")
        assert len(failures) == 3
        assert (told["status"], told["text"]) == ("completed", "echo: kept")
        assert len(await gateway.store.list_records()) == 1


async def test_a_result_that_could_not_be_stored_before_the_end_is_found_by_the_next_gateway(home: Home) -> None:
    async with home.open(leave=True) as caller:
        tried = anyio.Event()

        async def finish_job(*_arguments: Any, **_named: Any) -> bool:
            tried.set()
            raise StoreUnavailable("database is locked")

        caller.gateway.store.finish_job = finish_job  # type: ignore[method-assign]
        job = await caller.start("kept")
        await tried.wait()
    async with home.open() as caller:
        await caller.wait(job)
        assert (await caller.result(job))["text"] == "echo: kept"


async def test_results_outlive_the_gateway(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("keep me")
    async with home.open() as caller:
        told = await caller.result(first["jobId"])
    assert {**told, "deduplicated": False} == first


async def test_a_store_that_fails_for_a_moment_fails_no_call_that_waits(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[int] = []

    async with home.open() as caller, home.open() as other:
        get = other.gateway.store.get_job

        async def get_job(job_id: JobId) -> Any:
            if len(failures) < 2:
                failures.append(1)
                raise StoreUnavailable("database is locked")
            return await get(job_id)

        monkeypatch.setattr(other.gateway.store, "get_job", get_job)
        job = JobId(await caller.start("patience"))
        found = await other.gateway.jobs.wait([job], until_all=True, timeout_s=20)
        assert len(failures) == 2
    assert found[job].state is JobState.COMPLETED


async def test_a_reader_that_fails_costs_neither_the_output_nor_the_gateway(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def feed(self, stream: str, data: bytes) -> list[Any]:
            raise RuntimeError("this line was unheard of")

        def gap(self, stream: str) -> None: ...

        def finish(self, end: Any) -> Any: ...

    async def listen(_message: str) -> None:
        pass

    async with home.open() as caller:
        with monkeypatch.context() as patch:
            patch.setattr(caller.gateway.host, "open_reader", lambda *_: Broken())
            asked = home.asking("unheard", {"scenario": "steps", "delayMs": 100})
            job = await caller.start(**asked)
            await caller.said(job)
            assert (await caller.call("llm_job_status", jobId=job))["job"]["status"] == "running"
            told = await caller.call("echo_request", progress=listen, **asked)
        assert (told["status"], told["error"]["code"]) == ("failed", "output_unreadable")
        assert "unheard of" in told["error"]["message"]
        assert "echo: unheard" in (await caller.result(told["jobId"], raw="stdout"))["page"]["text"]
        assert (await caller.ask("next"))["text"] == "echo: next"


async def test_a_store_that_fails_for_a_moment_neither_ends_the_gateway_nor_stops_its_queue(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[int] = []
    monkeypatch.setattr(queue, "RETRY_S", 0.05)
    home.set(limits__running=1)
    async with home.open() as caller:
        claim = caller.gateway.store.claim

        async def flawed(*arguments: Any) -> Any:
            if len(failures) < 3:
                failures.append(1)
                raise StoreUnavailable("database is locked")
            return await claim(*arguments)

        first = await caller.start("first", scenario="silent", delayMs=200)
        monkeypatch.setattr(caller.gateway.store, "claim", flawed)
        second = await caller.start("second")
        await caller.wait(first, second)
        assert len(failures) == 3
        assert (await caller.result(second))["text"] == "echo: second"
