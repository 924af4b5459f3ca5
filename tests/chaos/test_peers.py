"""Moments that chance seldom finds: a launch that lies between a gateway and its fork server, and a peer that lives on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.chaos.driven import Driven, ask, await_answer
from tests.chaos.scenes import await_ends, await_job_files, check_ran_once, freeze_fork_server, leave, open_all, start
from tests.chaos.world import World


def test_a_launch_that_dies_with_the_fork_server_is_made_again(world: World) -> None:
    (gateway,) = open_all(world, 1)
    fork_server = freeze_fork_server(world, gateway)
    jobs = start(world, gateway, *"abcde", scenario="steps", delayMs=20)
    os.kill(fork_server, signal.SIGKILL)
    told, _ = ask(gateway, "llm_job_wait", jobIds=jobs)
    assert "pending" not in told or not told["pending"]
    check_ran_once(world, gateway, *jobs)
    leave(world, gateway)


def test_a_fork_server_that_wakes_after_its_gateway_died_runs_nothing_again(world: World) -> None:
    gateway, heir = open_all(world, 2)
    fork_server = freeze_fork_server(world, gateway)
    jobs = start(world, gateway, *"abcde", scenario="steps", delayMs=20)
    gateway.kill()
    waiting = heir.call("llm_job_wait", jobIds=jobs)  # the heir launches them while the late shims come to life
    os.kill(fork_server, signal.SIGCONT)
    await_answer(heir, waiting)
    check_ran_once(world, heir, *jobs)
    world.drop(gateway)
    leave(world, heir)


def test_a_living_peer_finishes_the_jobs_of_a_killed_gateway_unasked(world: World) -> None:
    gateway, peer = open_all(world, 2)
    jobs = start(world, gateway, *"abcdefgh", scenario="steps", delayMs=100)
    own = start(world, peer, *"ijkl", scenario="steps", delayMs=150)
    gateway.kill()
    await_ends(world, jobs + own)
    check_ran_once(world, peer, *jobs, *own)
    world.drop(gateway)
    leave(world, peer)


def test_a_living_peer_starts_what_a_killed_gateway_could_not_launch_any_more(world: World) -> None:
    gateway, peer = open_all(world, 2)
    fork_server = freeze_fork_server(world, gateway)
    jobs = start(world, gateway, *"abc")
    gateway.kill()
    os.kill(fork_server, signal.SIGKILL)
    await_ends(world, jobs)
    check_ran_once(world, peer, *jobs)
    world.drop(gateway)
    leave(world, peer)


def test_lesson_74_turns_that_wait_for_their_conversation_run_once_and_in_order_whoever_dies(world: World) -> None:
    gateway, peer = open_all(world, 2)
    first, _ = ask(
        gateway,
        "echo_request_async",
        prompt="turn 0",
        workingDir=str(world.work),
        createNewSession=True,
        scenario="steps",
        delayMs=100,
    )
    session, jobs = first["job"]["gatewaySessionId"], [first["job"]["id"]]
    for number in range(1, 7):
        who = (gateway, peer)[number % 2]
        jobs += start(world, who, f"turn {number}", sessionId=session, onBusy="queue", scenario="steps", delayMs=20)
    gateway.kill()
    await_ends(world, jobs)
    check_ran_once(world, peer, *jobs)
    (conversation,) = (world.folder / "echo" / "sessions").glob("*.json")
    turns = json.loads(conversation.read_text())["turns"]
    assert [prompt for prompt, _ in turns] == [f"turn {number}" for number in range(7)]
    world.drop(gateway)
    leave(world, peer)


@pytest.mark.parametrize("end", [Driven.kill, Driven.leave], ids=["killed", "left"])
def test_what_ended_without_a_gateway_is_answered_at_once(world: World, end: Callable[[Driven], None]) -> None:
    (gateway,) = open_all(world, 1)
    jobs = start(world, gateway, *"abcdefgh", scenario="steps", delayMs=50)
    while not all(world.job_file(job_id, "state.json") for job_id in jobs):
        ask(gateway, "llm_process_health")
    following = world.warm()
    end(gateway)
    gateway.process.wait(20)
    world.drop(gateway)
    world.await_event([following], "warm")
    await_job_files(world, jobs, "exit.json")
    begun = time.monotonic()
    following.open()
    _, at = ask(following, "llm_job_wait", jobIds=jobs)
    assert at - begun < 3
    check_ran_once(world, following, *jobs)
    leave(world, following)
