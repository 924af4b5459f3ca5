"""A disk that answers with errors, and a machine without a descriptor at the worst moment: the system refuses single calls."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from tests.chaos.driven import ask, refused
from tests.chaos.refusals import Refusals
from tests.chaos.scenes import await_ends, await_job_files, check_ran_once, launched, leave, open_all, start
from tests.chaos.world import World

WRITES = ("write", "pwrite64", "fsync", "fdatasync")


@pytest.fixture
def opening(world: World) -> Iterator[Refusals]:
    """Judges what is opened."""
    refusals = Refusals("openat")
    yield refusals
    world.close()
    refusals.close()


@pytest.fixture
def writing(world: World) -> Iterator[Refusals]:
    """Judges what is written and synced."""
    refusals = Refusals(*WRITES)
    yield refusals
    world.close()
    refusals.close()


def await_refusals(refusals: Refusals, count: int, of: str = "") -> None:
    """Wait until so many calls about paths with these words in them were refused."""
    with refusals.news:
        assert refusals.news.wait_for(lambda: sum(of in path for _, path in refusals.refused) >= count, 20)


def allow(call: str, path: str) -> int:
    return 0


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EIO], ids=errno.errorcode.get)
def test_an_adopted_job_whose_job_files_cannot_be_read_for_a_while_is_not_given_up(
    world: World, opening: Refusals, error: int
) -> None:
    (gateway,), (peer,) = open_all(world, 1), open_all(world, 1, under=opening)
    jobs = start(world, gateway, *"ab", scenario="silent", delayMs=3000)
    launched(world, gateway, jobs)
    opening.judge = lambda call, path: error if path.endswith("/request.json") else 0
    gateway.kill()
    await_job_files(world, jobs, "exit.json")
    await_refusals(opening, 2 * len(jobs))
    assert set(world.states().values()) == {"running"}
    opening.judge = allow
    await_ends(world, jobs)
    check_ran_once(world, peer, *jobs)
    world.drop(gateway)
    leave(world, peer)


def test_a_disk_that_errs_refuses_what_comes_and_loses_nothing_that_runs(world: World, writing: Refusals) -> None:
    (gateway,) = open_all(world, 1, under=writing)
    jobs = start(world, gateway, *"ab", scenario="silent", delayMs=1000)
    launched(world, gateway, jobs)
    failing = (f"{world.home}/gateway.db", f"{world.home}/jobs/")
    spared = ("stdout", "stderr")  # what an agent cannot write, nobody has
    writing.judge = lambda call, path: errno.EIO if path.startswith(failing) and not path.endswith(spared) else 0
    error = refused(gateway, "echo_request_async", prompt="more", workingDir=str(world.work))
    assert (error["code"], error["retryable"]) == ("store_unavailable", True)
    await_refusals(writing, 2, "exit.json")
    writing.judge = allow
    await_ends(world, jobs)
    check_ran_once(world, gateway, *jobs)
    assert set(world.states()) == set(jobs)
    (more,) = start(world, gateway, "after")
    ask(gateway, "llm_job_wait", jobIds=[more])
    leave(world, gateway)
    (gateway,) = open_all(world, 1)
    check_ran_once(world, gateway, *jobs, more)
    leave(world, gateway)
