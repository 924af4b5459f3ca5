"""More and more runs at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.bench.growth.table import Growth
from tests.bench.memory import children, private, resident, share
from tests.bench.world import QUICK, Client, World, bare, times

LOADS = (1, 4) if QUICK else (1, 8, 32, 64, 128)
JOBS = 8 if QUICK else 384
CALL, MEMORY = "Time with so many runs under way", "Memory with so many runs under way"
_AT_ONCE = {"LLM_GATEWAY_LIMITS_RUNNING": str(LOADS[-1]), "LLM_GATEWAY_LIMITS_PER_PROVIDER": str(LOADS[-1])}


def measure(make: Callable[[], World]) -> Growth:
    """Runs that end at once, so many at a time; then runs that stay, looked at and canceled together."""
    growth = Growth(
        "running",
        "Runs at the same time",
        "runs",
        LOADS,
        f"`[limits] running` and `per_provider` are {LOADS[-1]}. Time for each job: {JOBS} runs of `/bin/echo`, so many under way, the whole "
        "time divided by their number. The other figures: so many runs of a program that sleeps. The memory of shims is their "
        "proportional share: pages that they have in common are counted once.",
    )
    for load in LOADS:
        world = make()
        world.environ.update(_AT_ONCE)
        with world.serve() as client:
            client.begin()
            client.call("tiny_request", {"prompt": "first"})
            growth.add("time for each job", load, _each(load, lambda n: _run(client, n)), "ms", picture=CALL)
            growth.add("time for each job, bare", load, _each(load, _bare), "ms", picture=CALL)
        with world.serve() as client:
            client.begin()
            client.call("tiny_request", {"prompt": "second"})
            _together(world, client, growth, load)
    return growth


def _each(width: int, work: Callable[[int], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    with ThreadPoolExecutor(width) as callers:
        list(callers.map(work, range(JOBS)))
    return (time.perf_counter() - began) * 1000 / JOBS


def _run(client: Client, number: int) -> None:
    answer, _ = client.call("tiny_request", {"prompt": f"run {number}"})
    assert answer["status"] == "completed", answer


def _bare(number: int) -> None:
    bare(("/bin/echo", "hi"))


def _together(world: World, client: Client, growth: Growth, load: int) -> None:
    began = time.perf_counter()
    hang = {"work": "hang", "amount": 600}
    jobs = [client.call("tiny_request_async", {"prompt": f"hang {n}", **hang})[0]["job"]["id"] for n in range(load)]
    states = [client.begun(world, job) for job in jobs]
    growth.add("until all of them run", load, (time.perf_counter() - began) * 1000, "ms", picture=CALL)
    looks = [client.call("llm_job_status", {"jobId": jobs[n % load]})[1] for n in range(max(times(200), load))]
    growth.add("status of one of them", load, median(looks) * 1000, "ms", picture=CALL)
    growth.add("the slowest status", load, max(looks) * 1000, "ms")
    (fork_server,) = children(client.pid)  # its one child: shims belong to nobody
    shims = [state["shim"]["pid"] for state in states]
    growth.add("memory of the gateway (resident)", load, resident(client.pid), "MB", picture=MEMORY)
    growth.add("memory of the fork server (resident)", load, resident(fork_server), "MB", picture=MEMORY)
    growth.add("memory of all shims", load, sum(map(share, shims)), "MB", picture=MEMORY)
    growth.add("of each shim its own (private)", load, median(map(private, shims)), "MB")
    began = time.perf_counter()
    with ThreadPoolExecutor(load) as callers:
        answers = list(callers.map(lambda job: client.call("llm_job_cancel", {"jobId": job})[0], jobs))
    growth.add("cancel of all of them, at once", load, (time.perf_counter() - began) * 1000, "ms", picture=CALL)
    assert all(answer["job"]["status"] == "canceled" for answer in answers)
