"""Processes that stand still for a while, or that the system takes away."""

from __future__ import annotations

import os
import signal

import pytest

from tests.chaos.driven import Driven, ask, await_answer
from tests.chaos.scenes import await_job_files, check_ran_once, freeze_fork_server, leave, open_all, start
from tests.chaos.world import World


def owners(world: World) -> dict[str, str]:
    return dict(world.rows("SELECT id, owner FROM jobs"))


def begin(world: World, gateway: Driven, **options: object) -> tuple[str, int, int]:
    """Start a job whose agent is at work: its id, its shim, its agent."""
    (job,) = start(world, gateway, "at work", scenario="steps", **options)
    while not world.pid_of(job, "agent"):
        ask(gateway, "llm_process_health")
    shim, agent = world.pid_of(job, "shim"), world.pid_of(job, "agent")
    assert shim
    assert agent
    return job, shim, agent


def test_lesson_4_a_suspended_gateway_is_not_taken_for_dead(world: World) -> None:
    gateway, peer = open_all(world, 2)
    jobs = start(world, gateway, *"abcd", scenario="steps", delayMs=100)
    while not all(world.job_file(job, "state.json") for job in jobs):
        ask(gateway, "llm_process_health")
    before = owners(world)
    os.kill(gateway.process.pid, signal.SIGSTOP)
    await_job_files(world, jobs, "exit.json")
    told, _ = ask(peer, "llm_job_wait", jobIds=jobs, timeoutMs=2500)
    assert sorted(told["pending"]) == sorted(jobs)
    assert owners(world) == before
    os.kill(gateway.process.pid, signal.SIGCONT)
    ask(peer, "llm_job_wait", jobIds=jobs)
    check_ran_once(world, peer, *jobs)
    leave(world, gateway, peer)


def test_a_suspended_fork_server_delays_launches_and_doubles_none(world: World) -> None:
    (gateway,) = open_all(world, 1)
    fork_server = freeze_fork_server(world, gateway)
    jobs = start(world, gateway, *"abc")
    told, _ = ask(gateway, "llm_job_wait", jobIds=jobs, timeoutMs=500)
    assert sorted(told["pending"]) == sorted(jobs)
    os.kill(fork_server, signal.SIGCONT)
    ask(gateway, "llm_job_wait", jobIds=jobs)
    check_ran_once(world, gateway, *jobs)
    leave(world, gateway)


@pytest.mark.parametrize("who", ["shim", "agent"])
def test_a_suspended_shim_or_agent_goes_on_where_it_stood(world: World, who: str) -> None:
    (gateway,) = open_all(world, 1)
    job, shim, agent = begin(world, gateway, delayMs=50)
    stopped = {"shim": shim, "agent": agent}[who]
    os.kill(stopped, signal.SIGSTOP)
    told, _ = ask(gateway, "llm_job_wait", jobIds=[job], timeoutMs=800)
    assert told["pending"] == [job]
    os.kill(stopped, signal.SIGCONT)
    ask(gateway, "llm_job_wait", jobIds=[job])
    check_ran_once(world, gateway, job)
    leave(world, gateway)


@pytest.mark.parametrize("who", ["shim", "agent"])
def test_a_cancel_reaches_a_run_of_which_a_process_is_suspended(world: World, who: str) -> None:
    (gateway,) = open_all(world, 1)
    job, shim, agent = begin(world, gateway, delayMs=60_000)
    os.kill({"shim": shim, "agent": agent}[who], signal.SIGSTOP)
    ask(gateway, "llm_job_cancel", jobId=job)
    told, _ = ask(gateway, "llm_job_wait", jobIds=[job], timeoutMs=30_000)
    assert not told.get("pending")
    assert world.states()[job] == "canceled"
    leave(world, gateway)


def test_an_agent_that_the_system_kills_for_its_memory_is_told_with_its_signal_and_keeps_its_words(
    world: World,
) -> None:
    (gateway,) = open_all(world, 1)
    job, _, agent = begin(world, gateway, delayMs=60_000)
    stdout = world.home / "jobs" / job / "stdout"
    while b"step 1" not in stdout.read_bytes():
        ask(gateway, "llm_process_health")
    os.kill(agent, signal.SIGKILL)
    ask(gateway, "llm_job_wait", jobIds=[job])
    reply, _ = await_answer(gateway, gateway.call("llm_job_result", jobId=job))
    assert (reply["status"], reply["error"]["code"]) == ("failed", "interrupted")
    assert "signal 9" in reply["error"]["message"]
    assert b"step 1" in stdout.read_bytes()
    assert world.starts()[job] == 1
    leave(world, gateway)
