"""Whatever is killed, and whenever: nothing is lost, nothing runs twice, no state is wrong, no process is left."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import pytest

from tests.chaos.plans import plan
from tests.chaos.rounds import Round, play
from tests.chaos.world import World

#: What a busy machine may take to answer for what ended while no gateway lived; a quiet one takes a tenth of a second.
RECOVERY_S = 3.0


#: How many rounds are added at most until a strike hits: on a busy machine most come before there is anything to hit.
MOST_MORE = 40


def play_rounds(world: World, seed: int, numbers: range, kind: str, hit: Callable[[Round], bool]) -> list[Round]:
    """Play these rounds, and more of them until one was a hit."""
    played = [play(world, plan(seed, number, kind)) for number in numbers]
    for number in range(numbers.stop, numbers.stop + MOST_MORE):
        if any(hit(one) for one in played):
            break
        played.append(play(world, plan(seed, number, kind)))
    return played


def usual_rounds(count: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("numbers", [count], indirect=True, ids=["rounds"])


@usual_rounds(50)
def test_lesson_7_random_kills_of_gateways_lose_nothing_and_leave_no_process(
    quick_world: World, seed: int, numbers: range
) -> None:
    played = play_rounds(quick_world, seed, numbers, "gateways", lambda one: one.recovery_s is not None)
    recoveries = [one.recovery_s for one in played if one.recovery_s is not None]
    print(f"\nseed {seed}: {len(played)} rounds, {sum(len(one.accepted) for one in played)} accepted jobs")
    assert recoveries, "no round left anything to recover"
    print(f"recovery: median {median(recoveries):.3f} s, most {max(recoveries):.3f} s of {len(recoveries)}")
    assert max(recoveries) <= RECOVERY_S


@usual_rounds(12)
def test_lesson_73_killed_shims_and_agents_are_told_as_what_they_are(
    quick_world: World, seed: int, numbers: range
) -> None:
    played = play_rounds(quick_world, seed, numbers, "runs", lambda one: bool(one.struck))
    struck = [sorted(processes) for one in played for processes in one.struck.values()]
    print(f"\nseed {seed}: {len(played)} rounds, struck {len(struck)} runs")
    assert struck, "nothing was ever struck"


@usual_rounds(10)
def test_killed_fork_servers_lose_no_launch_and_launch_nothing_twice(
    quick_world: World, seed: int, numbers: range
) -> None:
    played = play_rounds(quick_world, seed, numbers, "fork_servers", lambda one: bool(one.fork_servers))
    assert sum(one.fork_servers for one in played), "no fork server was ever struck"


@usual_rounds(8)
def test_a_cancel_across_kills_ends_a_job_once_and_no_other(quick_world: World, seed: int, numbers: range) -> None:
    for number in numbers:
        play(quick_world, plan(seed, number, "cancels"))
