"""More and more jobs in the store, each of them run: what the calls cost then, and a start."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.bench.growth.table import Growth
from tests.bench.memory import private
from tests.bench.world import QUICK, Client, World, times

LOADS = (5, 10) if QUICK else (10, 100, 1_000, 10_000)
AT_ONCE = 16
STARTS = 1 if QUICK else 7
SUBMITS = 3 if QUICK else 40
CALLS, START = "Calls with so many jobs in the store", "Starts with so many jobs in the store"


def measure(make: Callable[[], World]) -> Growth:
    """Run as many as are wanted, look, run more."""
    growth = Growth(
        "jobs",
        "Jobs in the store",
        "jobs",
        LOADS,
        "Every job is a real run of a program, through the gateway, with its record and its folder. The job that is asked about is the oldest.",
    )
    world, done = make(), 0
    home = world.root / "home"
    for load in LOADS:
        with world.serve() as client:
            client.begin()
            fill(client, done, load)
            client.call("llm_job_list", {"limit": 1})
        stored = sum(path.stat().st_size for path in home.glob("gateway.db*")) / load
        growth.add("the store, for each job", load, stored / 1000, "kB")
        _starts(world, growth, load)
        done = _calls(world, growth, load)
    return growth


def fill(client: Client, done: int, wanted: int) -> None:
    """Run jobs, many at once, until there are as many as wanted."""
    with ThreadPoolExecutor(AT_ONCE) as callers:
        for answer, _ in callers.map(
            lambda n: client.call("tiny_request", {"prompt": f"job {n}"}), range(done, wanted)
        ):
            assert answer["status"] == "completed", answer


def _starts(world: World, growth: Growth, load: int) -> None:
    world.warm()
    answered, ready, memory = [], [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        with world.serve() as client:
            client.begin()
            answered.append(time.perf_counter() - began)
            client.call("llm_job_list", {"limit": 1})
            ready.append(time.perf_counter() - began)
            memory.append(private(client.pid))
    growth.add("start to the `initialize` answer", load, median(answered) * 1000, "ms", picture=START)
    growth.add("start to the first answer from the store", load, median(ready) * 1000, "ms", picture=START)
    growth.add("memory of the idle gateway (private)", load, median(memory), "MB")


def _calls(world: World, growth: Growth, load: int) -> int:
    """Returns how many jobs there are afterwards."""
    with world.serve() as client:
        client.begin()
        first, _ = client.call("tiny_request", {"prompt": "job 0"})
        assert first["deduplicated"]
        client.call("tiny_request", {"prompt": f"job {load}"})  # starts the fork server
        oldest = {"jobId": first["jobId"]}
        for what, ask in {
            "status": lambda: client.call("llm_job_status", oldest),
            "result": lambda: client.call("llm_job_result", oldest),
            "list of 50": lambda: client.call("llm_job_list", {"limit": 50}),
            "dedup hit": lambda: client.call("tiny_request", {"prompt": "job 0"}),
        }.items():
            growth.add(what, load, median(ask()[1] for _ in range(times(100))) * 1000, "ms", picture=CALLS)
        submits = []
        for number in range(load + 1, load + 1 + SUBMITS):
            started, took = client.call("tiny_request_async", {"prompt": f"job {number}"})
            assert not started["deduplicated"]
            submits.append(took)
            client.call("llm_job_wait", {"jobIds": [started["job"]["id"]]})
        growth.add("submit", load, median(submits) * 1000, "ms", picture=CALLS)
    return load + 1 + SUBMITS
