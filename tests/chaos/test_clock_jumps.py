"""A clock that jumps, ahead and back, by an hour and by a year: nothing hangs, expires, changes places or is taken for another's.

The clock is that of libfaketime, which stands between the programs and the system: gateways, fork servers and shims all see
the jump at once; the monotonic clock stays what it is, as it does on a real machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.chaos.driven import Driven, ask
from tests.chaos.scenes import await_ends, check_ran_once, launched, leave, open_all, start
from tests.chaos.world import World

HOUR_S, YEAR_S = 3_600, 365 * 86_400
JUMPS = pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, YEAR_S, -YEAR_S], ids=["hour", "-hour", "year", "-year"])


class Clock:
    """What everything in a world takes for the time."""

    def __init__(self, world: World) -> None:
        self._file = world.folder / "clock"
        self.jump(0)
        found = find_spec("libfaketime")
        assert found
        assert found.submodule_search_locations
        library = Path(found.submodule_search_locations[0]) / "vendor/libfaketime/src/libfaketime.so.1"
        world.env |= {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, seconds: int) -> None:
        """Set it, in seconds off the true time, at once and for all."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.replace(self._file)


@pytest.fixture
def clock(world: World) -> Iterator[Clock]:
    yield Clock(world)
    world.close()


def durations_ms(gateway: Driven, jobs: list[str]) -> list[int]:
    return [ask(gateway, "llm_job_result", jobId=job)[0]["durationMs"] for job in jobs]


def listed(gateway: Driven) -> list[str]:
    return [job["id"] for job in ask(gateway, "llm_job_list")[0]["jobs"]]


@JUMPS
def test_a_clock_that_jumps_during_runs_ends_none_early_and_lets_none_hang(
    world: World, clock: Clock, jump_s: int
) -> None:
    gateway, peer = open_all(world, 2)
    jobs = start(world, gateway, "a", "b", scenario="steps", delayMs=150)
    launched(world, gateway, jobs)
    clock.jump(jump_s)
    later = start(world, peer, "c")
    ask(gateway, "llm_job_wait", jobIds=[*jobs, *later])
    check_ran_once(world, peer, *jobs, *later)
    assert max(durations_ms(gateway, jobs)) < 60_000
    assert listed(gateway) == [*later, *reversed(jobs)]
    leave(world, gateway, peer)


@JUMPS
def test_a_clock_that_jumps_across_a_restart_loses_no_run_and_no_answer(
    world: World, clock: Clock, jump_s: int
) -> None:
    (gateway,) = open_all(world, 1)
    (over,) = start(world, gateway, "over before")
    ask(gateway, "llm_job_wait", jobIds=[over])
    going_on = start(world, gateway, "a", "b", scenario="steps", delayMs=150)
    launched(world, gateway, going_on)
    gateway.kill()
    world.drop(gateway)
    clock.jump(jump_s)
    (gateway,) = open_all(world, 1)
    await_ends(world, going_on)
    check_ran_once(world, gateway, over, *going_on)
    assert listed(gateway) == [*reversed(going_on), over]
    leave(world, gateway)


@JUMPS
def test_a_living_gateway_is_not_taken_for_dead_by_one_of_another_time(world: World, clock: Clock, jump_s: int) -> None:
    (gateway,) = open_all(world, 1)
    jobs = start(world, gateway, "a", "b", scenario="steps", delayMs=150)
    launched(world, gateway, jobs)
    owners = world.rows("SELECT id, owner FROM jobs ORDER BY id")
    clock.jump(jump_s)
    (peer,) = open_all(world, 1)
    ask(peer, "llm_job_wait", jobIds=jobs)
    assert world.rows("SELECT id, owner FROM jobs ORDER BY id") == owners
    check_ran_once(world, peer, *jobs)
    leave(world, gateway, peer)


def test_an_answer_of_a_time_when_the_clock_was_ahead_is_not_given_again(world: World, clock: Clock) -> None:
    clock.jump(YEAR_S)
    (gateway,) = open_all(world, 1)
    (first,) = start(world, gateway, "the same")
    ask(gateway, "llm_job_wait", jobIds=[first])
    clock.jump(0)
    (second,) = start(world, gateway, "the same")
    assert second != first
    ask(gateway, "llm_job_wait", jobIds=[second])
    check_ran_once(world, gateway, first, second)
    leave(world, gateway)


def test_results_outlive_a_clock_that_was_a_year_ahead_for_a_few_starts(world: World, clock: Clock) -> None:
    (gateway,) = open_all(world, 1)
    (job,) = start(world, gateway, "keep me")
    ask(gateway, "llm_job_wait", jobIds=[job])
    leave(world, gateway)
    clock.jump(YEAR_S)
    for _ in range(3):
        (gateway,) = open_all(world, 1)
        check_ran_once(world, gateway, job)
        leave(world, gateway)
    clock.jump(0)
    (gateway,) = open_all(world, 1)
    check_ran_once(world, gateway, job)
    assert os.path.exists(world.home / "jobs" / job)
    leave(world, gateway)
