"""Waiting: the deadline of a call, what goes on meanwhile, and what comes after."""

from __future__ import annotations

import re
from itertools import pairwise

import anyio
import pytest

from llm_gateway.errors import InvalidRequest
from tests.integration.gateway.world import Caller, Home, refused

pytestmark = pytest.mark.anyio


async def test_lesson_71_a_long_run_is_answered_with_its_job_before_the_deadline_of_clients(home: Home) -> None:
    home.set(sync_deadline_s=0.4)
    async with home.open() as caller:
        told = await caller.ask("patience", scenario="silent", delayMs=1200)
        assert told["status"] == "deferred"
        assert told["partial"] is True
        waited = await caller.wait(told["jobId"])
        result = await caller.result(told["jobId"])
    assert waited["pending"] == []
    assert waited["jobs"][0]["status"] == "completed"
    assert (result["status"], result["text"]) == ("completed", "echo: patience")


async def test_the_usual_deadline_is_below_what_clients_wait(home: Home) -> None:
    async with home.open() as caller:
        assert 0 < caller.gateway.settings.sync_deadline_s < 50


async def test_a_deadline_of_0_waits_as_long_as_it_takes(home: Home) -> None:
    home.set(sync_deadline_s=0)
    async with home.open() as caller:
        assert (await caller.ask(scenario="silent", delayMs=700))["status"] == "completed"


async def test_lesson_20_answers_and_instructions_name_only_tools_that_exist(home: Home) -> None:
    home.set(sync_deadline_s=0.2)
    async with home.open() as caller:
        deferred = await caller.ask(scenario="hang")
        started = await caller.call("echo_request_async", **home.asking("too", {"scenario": "hang"}))
        waited = await caller.wait(deferred["jobId"], timeoutMs=0)
        operations = caller.gateway.operations
        texts = [deferred["next"], started["next"], waited["next"], caller.gateway.instructions]
        texts += [operation.description for operation in operations.values()]
        named = {name for text in texts for name in re.findall(r"\b(?:llm|echo|session)_[a-z_]+\b", text)}
    assert named
    assert named <= operations.keys()


async def test_lesson_21_deferred_and_deduplicated_requests_all_come_to_an_end_with_one_record(home: Home) -> None:
    home.set(sync_deadline_s=0.3)
    async with home.open() as caller:
        first = await caller.ask("same", scenario="silent", delayMs=1000)
        second = await caller.ask("same", scenario="silent", delayMs=1000)
        assert (first["status"], second["status"]) == ("deferred", "deferred")
        assert (second["jobId"], second["deduplicated"]) == (first["jobId"], True)
        await caller.wait(first["jobId"])
        assert [job["status"] for job in await caller.jobs()] == ["completed"]
        assert [record.job_id for record in await caller.gateway.store.list_records()] == [first["jobId"]]


async def test_lesson_13_an_answer_waits_for_no_tick(home: Home) -> None:
    """A call takes what its run takes and little more; a poll of a second or a half would show in every one of them."""
    overheads = []
    async with home.open() as caller:
        await caller.ask("warm up")
        for number in range(9):
            begun = anyio.current_time()
            told = await caller.ask(f"quick {number}")
            overheads.append(anyio.current_time() - begun - told["durationMs"] / 1000)
    assert sorted(overheads)[len(overheads) // 2] < 0.2


async def test_progress_tells_what_the_agent_does(home: Home) -> None:
    said: list[str] = []

    async def listen(message: str) -> None:
        said.append(message)

    async with home.open() as caller:
        told = await caller.call(
            "echo_request", progress=listen, **home.asking("go", {"scenario": "steps", "amount": 2, "delayMs": 150})
        )
    assert told["text"] == "echo: go"
    assert said[:4] == ["Read: file 1 of 2", "step 1 of 2", "Read: file 2 of 2", "step 2 of 2"]


async def test_lesson_86_the_answer_is_right_after_thousands_of_events(home: Home) -> None:
    said: list[str] = []

    async def listen(message: str) -> None:
        said.append(message)

    async with home.open() as caller:
        asked = home.asking("the end", {"scenario": "steps", "amount": 3000})
        told = await caller.call("echo_request", progress=listen, **asked)
    assert (told["status"], told["text"], told["truncated"]) == ("completed", "echo: the end", False)
    numbers = [int(word.split()[1]) for word in said if word.startswith("step ")]
    assert all(earlier < later for earlier, later in pairwise(numbers))


async def test_lesson_72_one_bounded_wait_serves_many_jobs(home: Home) -> None:
    async with home.open() as caller:
        quick = [await caller.start(f"quick {number}") for number in range(4)]
        slow = await caller.start("slow", scenario="hang")
        some = await caller.wait(slow, *quick, until="any")
        assert set(some["pending"]) < {slow, *quick}
        done = await caller.wait(*quick)
        assert done["pending"] == []
        told = await caller.wait(slow, *quick, timeoutMs=100)
        assert told["pending"] == [slow]
        assert slow in told["next"]


async def test_a_running_job_gives_what_there_is_marked_partial(home: Home) -> None:
    async with home.open() as caller:
        job = await caller.start("slow", scenario="steps", delayMs=20_000)
        await caller.said(job, "step 1")
        told = await caller.result(job)
        status = await caller.call("llm_job_status", jobId=job)
        page = await caller.result(job, raw="stdout")
    assert (told["status"], told["text"], told["partial"]) == ("running", "step 1 of 3", True)
    assert status["doing"] == "step 1 of 3"
    assert status["stdoutBytes"] > 0
    assert status["lastActivityAt"]
    assert status["silenceIsNormal"] is False
    assert page["page"]["partial"] is True


@pytest.mark.parametrize("tool", ["llm_job_status", "llm_job_result", "llm_job_cancel"])
async def test_the_job_of_somebody_else_is_not_told_apart_from_none(home: Home, tool: str) -> None:
    async with home.open() as caller:
        job = await caller.start(scenario="hang")
        stranger: Caller = caller.other("stranger")
        theirs = await refused(InvalidRequest, stranger.call(tool, jobId=job))
        nobodys = await refused(InvalidRequest, stranger.call(tool, jobId="job-none"))
        await refused(InvalidRequest, stranger.wait(job))
        assert theirs.message.replace(job, "") == nobodys.message.replace("job-none", "")
        assert await stranger.jobs() == []
        assert (await stranger.call("llm_process_health"))["running"] == []
        assert await caller.state(job) == "running"
