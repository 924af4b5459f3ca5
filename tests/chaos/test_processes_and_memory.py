"""A machine that gives no more processes, and one that takes an agent's memory back."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.driven import answered, ask
from tests.chaos.scenes import SUDO, await_ends, check_ran_once, launched, leave, open_all, start
from tests.chaos.world import World

GREEDY = """#!/bin/sh
echo "$LLM_GATEWAY_JOB" >> "{ledger}"
echo hungry >&2
while [ ! -e "{go}" ]; do sleep 0.02; done
exec tail /dev/zero
"""


@contextmanager
def small_room(world: World) -> Iterator[str]:
    """A control group of 64 MB, of either version: the file that takes in its processes; "" where none can be made."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        place = f"{root}/{world.folder.name}"
        script = f'mkdir "{place}" && echo 67108864 > "{place}/{limit}"'
        made = subprocess.run([*SUDO, "sh", "-c", script], capture_output=True, check=False)
        if made.returncode == 0:
            break
        subprocess.run([*SUDO, "rmdir", place], capture_output=True, check=False)
    else:
        place = ""
    try:
        yield place and f"{place}/cgroup.procs"
    finally:
        if place:
            subprocess.run([*SUDO, "rmdir", place], check=True, timeout=20)


def test_an_agent_that_eats_the_memory_is_killed_by_the_system_and_told_so(world: World) -> None:
    """Where no control group can be made (some containers), the same signal comes from us."""
    go = world.folder / "go"
    greedy = world.folder / "greedy"
    greedy.write_text(GREEDY.format(ledger=world.ledger, go=go))
    greedy.chmod(0o700)
    (peer,) = open_all(world, 1)
    world.env["LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE"] = str(greedy)
    (gateway,) = open_all(world, 1)
    with small_room(world) as door:
        (job,) = start(world, gateway, "eat")
        (other,) = start(world, peer, "beside it", scenario="steps", delayMs=50)
        launched(world, gateway, [job])
        agent = world.pid_of(job, "agent")
        if door:
            subprocess.run([*SUDO, "sh", "-c", f'echo {agent} > "{door}"'], check=True, timeout=20)
            go.touch()
        else:
            world.strike(agent)
        ask(gateway, "llm_job_wait", jobIds=[job, other])
        world.await_gone(agent)
    reply, _ = ask(gateway, "llm_job_result", jobId=job)
    assert (reply["status"], reply["error"]["code"]) == ("failed", "interrupted")
    assert "signal 9 (SIGKILL, which the system sends when memory runs out)" in reply["error"]["message"]
    assert world.starts()[job] == 1
    check_ran_once(world, peer, other)
    leave(world, gateway, peer)


@contextmanager
def no_more_processes(world: World, *pids: int) -> Iterator[None]:
    """Let these start nothing."""

    def limit(soft: int) -> None:
        for pid in pids:  # by their own user: root may need a right for it that it does not have in a container
            subprocess.run([*world.launcher, "prlimit", f"--pid={pid}", f"--nproc={soft}:"], check=True, timeout=20)

    before, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    limit(1)
    try:
        yield
    finally:
        limit(before)


@pytest.fixture
def humble_world() -> Iterator[World]:
    """A world of somebody who is not root, for whom there is no such limit, in a place that is open to him."""
    folder = Path(tempfile.mkdtemp(prefix="humble-"))
    world = World(folder)
    if os.geteuid() == 0:
        somebody = (
            "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override"
        )
        world.launcher = somebody.split()
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, 65534)
    yield world
    world.close()
    shutil.rmtree(folder)


def test_without_processes_nothing_that_runs_is_lost_and_what_cannot_be_started_is_told(humble_world: World) -> None:
    world = humble_world
    (gateway,) = open_all(world, 1)
    jobs = start(world, gateway, *"ab", scenario="silent", delayMs=1500)
    launched(world, gateway, jobs)
    fork_server = world.fork_server_of(gateway)
    assert fork_server
    with no_more_processes(world, gateway.process.pid, fork_server):
        answers = [answered(gateway, "echo_request_async", prompt=word, workingDir=str(world.work)) for word in "cd"]
        taken = [answer["result"]["job"]["id"] for answer in answers if "result" in answer]
        assert [a["error"]["code"] for a in answers if "error" in a] == ["store_unavailable"] * (2 - len(taken))
        await_ends(world, [*jobs, *taken])
    check_ran_once(world, gateway, *jobs)
    for job in taken:
        reply, _ = ask(gateway, "llm_job_result", jobId=job)
        assert (reply["status"], reply["error"]["code"]) == ("failed", "provider_failed")
        assert world.starts()[job] == 0
    (more,) = start(world, gateway, "after")
    ask(gateway, "llm_job_wait", jobIds=[more])
    check_ran_once(world, gateway, more)
    leave(world, gateway)
