"""Whatever is killed, and whenever: nothing is lost, nothing runs twice, no state is wrong, no process is left."""

from __future__ import annotations

from statistics import median

import pytest

from tests.chaos.plans import plan
from tests.chaos.rounds import play
from tests.chaos.world import World

#: What a busy machine may take to answer for what ended while no gateway lived; a quiet one takes a tenth of a second.
RECOVERY_S = 3.0


def usual_rounds(count: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("numbers", [count], indirect=True, ids=["rounds"])


@usual_rounds(50)
def test_lesson_7_random_kills_of_gateways_lose_nothing_and_leave_no_process(
    quick_world: World, seed: int, numbers: range
) -> None:
    played = [play(quick_world, plan(seed, number, "gateways")) for number in numbers]
    recoveries = [one.recovery_s for one in played if one.recovery_s is not None]
    print(f"\nseed {seed}: {len(played)} rounds, {sum(len(one.accepted) for one in played)} accepted jobs")
    assert recoveries, "no round left anything to recover"
    print(f"recovery: median {median(recoveries):.3f} s, most {max(recoveries):.3f} s of {len(recoveries)}")
    assert max(recoveries) <= RECOVERY_S


@usual_rounds(12)
def test_lesson_73_killed_shims_and_agents_are_told_as_what_they_are(
    quick_world: World, seed: int, numbers: range
) -> None:
    played = [play(quick_world, plan(seed, number, "runs")) for number in numbers]
    struck = [sorted(processes) for one in played for processes in one.struck.values()]
    print(f"\nseed {seed}: {len(played)} rounds, struck {len(struck)} runs")
    assert struck, "nothing was ever struck"


@usual_rounds(10)
def test_killed_fork_servers_lose_no_launch_and_launch_nothing_twice(
    quick_world: World, seed: int, numbers: range
) -> None:
    played = [play(quick_world, plan(seed, number, "fork_servers")) for number in numbers]
    assert sum(one.fork_servers for one in played), "no fork server was ever struck"


@usual_rounds(8)
def test_a_cancel_across_kills_ends_a_job_once_and_no_other(quick_world: World, seed: int, numbers: range) -> None:
    for number in numbers:
        play(quick_world, plan(seed, number, "cancels"))
