"""A disk that answers with errors, and a machine without a descriptor at the worst moment: the system refuses single calls."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from tests.chaos.refusals import Refusals
from tests.chaos.scenes import await_ends, await_papers, check_ran_once, leave, open_all, start
from tests.chaos.test_shortage import launched
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


def await_refusals(refusals: Refusals, count: int) -> None:
    with refusals.news:
        assert refusals.news.wait_for(lambda: len(refusals.refused) >= count, 20), refusals.refused


def allow(call: str, path: str) -> int:
    return 0


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EIO], ids=errno.errorcode.get)
def test_an_adopted_job_whose_papers_cannot_be_read_for_a_while_is_not_given_up(
    world: World, opening: Refusals, error: int
) -> None:
    (gateway,), (neighbour,) = open_all(world, 1), open_all(world, 1, under=opening)
    jobs = start(world, gateway, *"ab", scenario="silent", delayMs=500)
    launched(world, gateway, jobs)
    opening.judge = lambda call, path: error if path.endswith("/request.json") else 0
    gateway.kill()
    await_papers(world, jobs, "exit.json")
    await_refusals(opening, 2 * len(jobs))
    assert set(world.states().values()) == {"running"}
    opening.judge = allow
    await_ends(world, jobs)
    check_ran_once(world, neighbour, *jobs)
    world.drop(gateway)
    leave(world, neighbour)
