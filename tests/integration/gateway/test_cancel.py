"""Ending a job: from here, from elsewhere, while it waits, and with all that it started."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from llm_gateway.model.ids import JobId
from llm_gateway.model.job import JobState
from tests.busy import pause
from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_of(job_id: str) -> list[str]:
    """Everything that carries the mark of a run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if job_id.encode() in (process / "environ").read_bytes():
                found.append(process.name)
    return found


async def test_cancel_ends_a_run_keeps_what_it_wrote_and_can_be_repeated(home: Home) -> None:
    async with home.open() as caller:
        job = await caller.start("half", scenario="steps", delayMs=20_000)
        await caller.said(job, "step 1")
        assert (await caller.cancel(job))["job"]["status"] == "canceled"
        assert (await caller.cancel(job))["job"]["status"] == "canceled"
        told = await caller.result(job)
        [record] = await caller.gateway.store.list_records()
    assert (told["status"], told["text"], told["partial"]) == ("canceled", "step 1 of 3", True)
    assert "error" not in told
    assert record.outcome == "canceled"


async def test_lesson_01_what_a_run_says_while_it_is_ended_is_in_the_result(home: Home) -> None:
    async with home.open() as caller:
        job = await caller.start(scenario="hang", onTerm="flush")
        await caller.said(job)
        await caller.cancel(job)
        told = await caller.result(job)
    assert "last words after SIGTERM" in told["text"]


async def test_a_canceled_job_is_never_the_answer_to_the_next_request(home: Home) -> None:
    async with home.open() as caller:
        job = await caller.start("again", scenario="hang")
        await caller.cancel(job)
        assert await caller.start("again", scenario="hang") != job


async def test_a_finished_job_stays_finished_when_it_is_canceled(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask()
        assert (await caller.cancel(told["jobId"]))["job"]["status"] == "completed"


async def test_lesson_36_an_agent_that_ignores_the_signal_is_gone_after_cancel(home: Home) -> None:
    async with home.open() as caller:
        job = await caller.start(scenario="hang", onTerm="ignore")
        await caller.said(job)
        [run] = (await caller.call("llm_process_health"))["running"]
        assert is_alive(run["pid"])
        await caller.cancel(job)
        assert await caller.state(job) == "canceled"
    assert not is_alive(run["pid"])


async def test_lesson_73_a_detached_descendant_is_gone_when_the_run_is_over(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask(scenario="detach")
    assert told["status"] == "completed"
    assert [warning["code"] for warning in told["warnings"]] == ["descendants_ended"]
    assert not is_alive(int(told["text"].split()[1]))


async def test_lesson_73_a_detached_descendant_does_not_outlive_the_kill_of_its_agent(home: Home) -> None:
    script = home.work / "agent"
    script.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && exit\n'  # asked beside the run, and not what this is about
        """(trap '' TERM; setsid sh -c 'trap "" TERM; sleep 600') >/dev/null 2>&1 &\n"""
        """echo '{"type": "text", "text": "hello"}'; kill -9 $$\n"""
    )
    script.chmod(0o755)
    home.set(providers__echo__executable=script)
    async with home.open() as caller:
        told = await caller.ask()
    assert told["error"]["code"] == "interrupted"
    assert "signal 9" in told["error"]["message"]
    assert processes_of(told["jobId"]) == []


async def test_canceling_a_waiting_job_ends_it_at_once_and_it_never_runs(home: Home) -> None:
    home.set(limits__running=1)
    async with home.open() as caller:
        first = await caller.start("first", scenario="hang")
        second = await caller.start("second", scenario="hang")
        assert await caller.state(second) == "queued"
        assert (await caller.cancel(second))["job"]["status"] == "canceled"
        told = await caller.result(second)
        assert told["status"] == "canceled"
        assert "next" not in told
        assert told["text"] == ""
        await caller.cancel(first)
        await caller.gateway.jobs.drained()
    assert not (home.folder(second) / "stdout").exists()


async def test_who_waits_for_a_job_that_is_canceled_in_the_queue_is_told_so(home: Home) -> None:
    home.set(limits__running=1)
    told = {}
    async with home.open() as caller, anyio.create_task_group() as tasks:
        await caller.start("first", scenario="hang")

        async def ask() -> None:
            told.update(await caller.ask("second"))

        tasks.start_soon(ask)
        with anyio.fail_after(20):
            while len(jobs := await caller.jobs(status="queued")) < 1:
                await pause()
        await caller.cancel(jobs[0]["id"])
    assert told["status"] == "canceled"


@pytest.mark.parametrize(("setting", "state"), [("detach", "completed"), ("cancel", "canceled")])
async def test_a_client_that_cancels_its_call_detaches_or_ends_the_run_as_is_set(
    home: Home, setting: str, state: str
) -> None:
    home.set(jobs__on_client_cancel=setting)
    async with home.open() as caller:
        async with anyio.create_task_group() as call:
            call.start_soon(lambda: caller.ask("leave me", scenario="silent", delayMs=1000))
            with anyio.fail_after(20):
                while not (jobs := await caller.jobs()):
                    await pause()
            await caller.begun(jobs[0]["id"])
            call.cancel_scope.cancel()
        await caller.wait(jobs[0]["id"])
        assert await caller.state(jobs[0]["id"]) == state


async def test_a_client_that_shared_a_job_does_not_end_it_for_the_other(home: Home) -> None:
    home.set(jobs__on_client_cancel="cancel")
    async with home.open() as caller:
        job = await caller.start("shared", scenario="silent", delayMs=800)
        with anyio.move_on_after(0.3):
            await caller.ask("shared", scenario="silent", delayMs=800)
        await caller.wait(job)
        assert await caller.state(job) == "completed"


async def test_lesson_09_a_job_of_another_gateway_can_be_canceled_running_or_waiting(home: Home) -> None:
    home.set(limits__running=1)
    async with home.open() as caller, home.peer() as peer:
        running = await peer.start("theirs", scenario="hang")
        waiting = await peer.start("theirs too", scenario="hang")
        assert await caller.state(waiting) == "queued"
        assert (await caller.cancel(waiting))["job"]["status"] == "canceled"
        assert (await caller.cancel(running))["job"]["status"] == "canceled"
        assert (await peer.wait(running, waiting))["pending"] == []
        job = await caller.gateway.store.get_job(JobId(running))
        assert job is not None
        assert (job.owner, job.state) == (peer.owner, JobState.CANCELED)


async def test_a_gateway_does_not_wait_for_its_job_that_another_one_canceled_in_the_queue(home: Home) -> None:
    home.set(limits__running=1)
    async with home.open() as caller, home.open() as other:
        running = await caller.start("first", scenario="hang")
        waiting = await caller.start("second", scenario="hang")
        await other.cancel(waiting)
        with anyio.fail_after(10):
            await caller.gateway.jobs.drained()
        await caller.cancel(running)
