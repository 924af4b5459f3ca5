"""What a gateway knows of its jobs while they last."""

from __future__ import annotations

import anyio
import pytest

from llm_gateway.jobs.table import JobTable, Phase
from llm_gateway.model.ids import JobId

pytestmark = pytest.mark.anyio

ONE, OTHER = JobId("job-one"), JobId("job-other")


def test_a_job_goes_from_queued_to_launching_to_running_and_is_gone() -> None:
    table = JobTable()
    assert table.phase_of(ONE) is None
    table.queue(ONE)
    assert table.has_queued
    assert table.launch(ONE)
    assert not table.has_queued
    table.launched(ONE)
    assert table.phase_of(ONE) is Phase.RUNNING
    table.end(ONE, None)
    assert table.phase_of(ONE) is None


def test_a_job_is_launched_once() -> None:
    table = JobTable()
    assert table.launch(ONE)
    assert not table.launch(ONE)
    table.launched(ONE)
    assert not table.launch(ONE)


def test_a_job_that_is_followed_here_stays_when_somebody_says_that_it_ended() -> None:
    table = JobTable()
    table.launch(ONE)
    table.drop(ONE)
    assert table.is_followed(ONE)
    table.queue(OTHER)
    table.drop(OTHER)
    assert not table.has_queued


def test_an_adopted_job_stays_adopted_until_it_ends() -> None:
    table = JobTable()
    table.adopt(ONE)
    table.queue(ONE)
    table.launch(ONE)
    assert table.is_adopted(ONE)
    table.end(ONE, None)
    assert not table.is_adopted(ONE)


def test_notifications_of_jobs_that_were_launched_here_are_no_news() -> None:
    table = JobTable()
    table.launch(ONE)
    table.end(ONE, None)
    assert table.others({ONE, OTHER}) == {OTHER}


def test_nothing_is_kept_of_another_gateways_job_that_nobody_waits_for() -> None:
    table = JobTable()
    table.change_of(OTHER)
    assert table.watched() == {OTHER}
    table.drop(OTHER)
    assert table.watched() == set()


async def test_everybody_who_waits_for_a_job_is_woken_and_given_its_end() -> None:
    table = JobTable()
    table.launch(ONE)
    changes = [table.change_of(ONE), table.change_of(ONE)]
    ended: object = object()
    table.end(ONE, ended)  # type: ignore[arg-type]  # it is handed on as it is
    for change in changes:
        with anyio.fail_after(5):
            await change.event.wait()
        assert change.ended is ended


async def test_everybody_who_waits_until_the_jobs_are_launched_is_woken() -> None:
    table, drained = JobTable(), []

    async def wait() -> None:
        await table.drained()
        drained.append(1)

    table.queue(ONE)
    table.launch(OTHER)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            table.launched(OTHER)
            await anyio.wait_all_tasks_blocked()
            assert drained == []
            table.drop(ONE)
    assert len(drained) == 2
