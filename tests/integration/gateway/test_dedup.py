"""The same request again: when it is the same job, and when it must not be."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.integration.gateway.world import Caller, Home

pytestmark = pytest.mark.anyio


async def test_lesson_26_a_reused_answer_says_so_and_when_its_run_was_started(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("again")
        second = await caller.ask("again")
        [job] = await caller.jobs()
    assert (first["deduplicated"], second["deduplicated"]) == (False, True)
    assert second["jobId"] == first["jobId"]
    assert second["text"] == first["text"]
    assert second["originalStartedAt"] == job["createdAt"]
    assert "originalStartedAt" not in first


async def test_lesson_27_twenty_identical_requests_over_two_gateways_are_one_run(home: Home) -> None:
    answers = []
    async with home.open() as caller, home.peer() as peer:

        async def ask(who: Caller) -> None:
            answers.append(await who.ask("all at once", scenario="silent", delayMs=400))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask, caller)
                tasks.start_soon(ask, peer)
        assert len(await caller.jobs()) == 1
    assert len(answers) == 20
    assert {told["text"] for told in answers} == {"echo: all at once"}
    assert len({told["jobId"] for told in answers}) == 1
    assert sorted(told["deduplicated"] for told in answers) == [False] + [True] * 19
    assert home.folders() == [answers[0]["jobId"]]


@pytest.mark.parametrize("scenario", ["crash", "overloaded", "empty"])
async def test_a_failure_is_never_reused(home: Home, scenario: str) -> None:
    async with home.open() as caller:
        first = await caller.ask("again", scenario=scenario)
        second = await caller.ask("again", scenario=scenario)
    assert first["jobId"] != second["jobId"]


async def test_force_refresh_runs_anew_and_a_window_of_0_always_does(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("again")
        assert (await caller.ask("again", forceRefresh=True))["jobId"] != first["jobId"]
    home.set(dedup_window_ms=0)
    async with home.open() as caller:
        jobs = {(await caller.ask("again"))["jobId"] for _ in range(2)}
    assert len(jobs) == 2


async def test_lesson_25_whatever_could_change_the_answer_makes_another_job(home: Home) -> None:
    (home.work / "sub").mkdir()
    (home.path.parent / "more").mkdir()
    variants: list[dict[str, Any]] = [
        {},
        {"model": "echo-1-mini"},
        {"posture": "plan"},
        {"scenario": "steps"},
        {"amount": 2},
        {"workingDir": str(home.work / "sub")},
        {"addDirs": [str(home.path.parent / "more")]},
        {"allowedTools": ["Read"]},
        {"disallowedTools": ["Bash"]},
        {"timeoutMs": 60_000},
    ]
    async with home.open() as caller:
        jobs = [await caller.start("again", **variant) for variant in variants]
        jobs.append(await caller.other("stranger").start("again"))
        jobs.append(await caller.start("again "))
        again = [await caller.start("again", **variant) for variant in variants]
        await caller.wait(*again)
    assert len(set(jobs)) == len(variants) + 2
    assert again == jobs[: len(variants)]
    home.set(depth=1)
    async with home.open() as caller:
        assert await caller.start("again") not in jobs
    home.write_config('[providers.echo.env]\nFLAVOUR = "vanilla"\n')
    async with home.open() as caller:
        assert await caller.start("again") not in jobs


async def test_a_changed_working_tree_never_gets_the_old_answer(home: Home, repository: object) -> None:
    code = home.work / "code.py"
    async with home.open() as caller:
        clean = (await caller.ask("review"))["jobId"]
        code.write_text("two\n")
        changed = (await caller.ask("review"))["jobId"]
        (home.work / "new.py").write_text("new\n")
        added = (await caller.ask("review"))["jobId"]
        (home.work / "new.py").unlink()
        code.write_text("one\n")
        back = (await caller.ask("review"))["jobId"]
    assert len({clean, changed, added}) == 3
    assert back == clean


async def test_in_a_session_the_same_words_are_a_new_turn_once_the_answer_was_fetched(home: Home) -> None:
    async with home.open() as caller:
        session = (await caller.ask("begin"))["gatewaySessionId"]
        first = await caller.start("go on", sessionId=session)
        await caller.wait(first, answers=False)
        assert await caller.start("go on", sessionId=session) == first
        await caller.result(first)
        second = await caller.start("go on", sessionId=session)
        await caller.wait(second)
        assert second != first
        told = await caller.ask("so?", sessionId=session, scenario="recall")
    assert told["text"].splitlines() == ["begin", "go on", "go on"]


async def test_reuse_outlives_the_gateway(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("again")
    async with home.open() as caller:
        second = await caller.ask("again")
    assert (second["jobId"], second["deduplicated"]) == (first["jobId"], True)
