"""A program: the gateway used in-process, next to bare runs of the same program in turn. Prints JSON.

python inside.py latency|throughput HOW_MANY
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio import to_thread
from llm_gateway_bench_provider import command

from llm_gateway import CallContext, Gateway
from llm_gateway.opening import open_gateway
from tests.bench.world import bare

CONTEXT = CallContext()


async def timed(gateway: Gateway, tool: str, arguments: dict[str, Any]) -> tuple[float, Any]:
    """Milliseconds, and the answer."""
    began = time.perf_counter()
    answer = await gateway.call(tool, arguments, CONTEXT)
    return (time.perf_counter() - began) * 1000, answer


async def latency(gateway: Gateway, calls: int) -> dict[str, float]:
    """Medians in milliseconds."""
    found: dict[str, list[float]] = {"bare": [], "sync": [], "submit": [], "dedup": [], "status": []}
    for number in range(calls):
        found["bare"].append(bare(command("echo", 0)) * 1000)
        prompt = {"prompt": f"s{number}"}
        found["sync"].append((await timed(gateway, "tiny_request", prompt))[0])
        took, again = await timed(gateway, "tiny_request_async", prompt)
        assert again.deduplicated
        found["dedup"].append(took)
        took, started = await timed(gateway, "tiny_request_async", {"prompt": f"a{number}"})
        found["submit"].append(took)
        job = started.job["id"]
        await timed(gateway, "llm_job_wait", {"jobIds": [job]})
        found["status"].append((await timed(gateway, "llm_job_status", {"jobId": job}))[0])
    return {name: statistics.median(series) for name, series in found.items()}


async def at_once(width: int, jobs: int, work: Callable[[int], Awaitable[Any]]) -> float:
    """Jobs per second with so many under way."""
    numbers = iter(range(jobs))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    began = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(width):
            tasks.start_soon(worker)
    return jobs / (time.perf_counter() - began)


async def throughput(gateway: Gateway, jobs: int) -> dict[str, float]:
    """Jobs per second, bare and through the gateway."""
    found = {}
    for width in (16, 64):
        threads = anyio.CapacityLimiter(width)

        async def run_bare(number: int, threads: anyio.CapacityLimiter = threads) -> None:
            await to_thread.run_sync(bare, command("echo", 0), limiter=threads)

        async def run(number: int, width: int = width) -> None:
            answer: Any = await gateway.call("tiny_request", {"prompt": f"{os.getpid()} {width} {number}"}, CONTEXT)
            assert answer.status == "completed", answer
            assert not answer.deduplicated

        found[f"bare_{width}"] = await at_once(width, jobs, run_bare)
        found[f"jobs_{width}"] = await at_once(width, jobs, run)
    return found


SUBJECTS = {"latency": latency, "throughput": throughput}


async def measure(subject: str, how_many: int) -> dict[str, float]:
    """One subject, after a first call that starts what starts on first use."""
    async with open_gateway(os.environ) as gateway:
        assert not gateway.host.problems, gateway.host.problems
        await gateway.call("tiny_request", {"prompt": "first"}, CONTEXT)
        return await SUBJECTS[subject](gateway, how_many)


if __name__ == "__main__":
    print(json.dumps(anyio.run(measure, sys.argv[1], int(sys.argv[2]))))
