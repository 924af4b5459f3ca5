"""How long one call takes: in-process, and over the wire."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import anyio
from mcp import Client as SdkClient
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.bench.report import ON_TOP, Report
from tests.bench.world import Client, World, bare, times

PROGRAM = ("/bin/echo", "hi")


def measure_inside(world: World, report: Report) -> None:
    """In-process, in a process that does nothing else."""
    found = world.inside("latency", str(times(200)))
    report.add(
        f"sync request, in-process{ON_TOP}",
        found["sync"] - found["bare"],
        "ms",
        bare=found["bare"],
        aim="≤ 20",
        reference="1 016",
    )
    report.add("async submit, in-process", found["submit"], "ms", aim="≤ 6", reference="11.3")
    report.add("dedup hit, in-process", found["dedup"], "ms", reference="3.2")
    report.add("status, in-process", found["status"], "ms", aim="≤ 0.6", reference="0.6")


def measure_disk(world: World, report: Report) -> None:
    """How long the disk takes to promise something; a run waits for that five times."""
    found = []
    for number in range(times(100)):
        began = time.perf_counter()
        with (world.root / f"disk{number}").open("wb") as file:
            file.write(b"x" * 200)
            file.flush()
            os.fsync(file.fileno())
        found.append(time.perf_counter() - began)
    report.add(
        "for comparison: one small file written and synced to the disk (a run does this five times)",
        median(found) * 1000,
        "ms",
    )


def measure_wire(world: World, report: Report) -> None:
    """Over stdio."""
    with world.serve() as client:
        client.begin()
        client.call("tiny_request", {"prompt": "first"})
        plain, sync = _beside_bare(lambda n: client.call("tiny_request", {"prompt": f"w{n}"}))
        report.add(
            f"sync request, over the wire{ON_TOP}", sync - plain, "ms", bare=plain, aim="≤ 20", reference="1 016"
        )
        tree = world.git_tree()
        plain, sync = _beside_bare(lambda n: client.call("tiny_request", {"prompt": f"g{n}", "workingDir": tree}))
        report.add(
            f"the same in a git working tree, whose state is part of the dedup key{ON_TOP}",
            sync - plain,
            "ms",
            bare=plain,
        )
        _short_calls(client, report)
    plain, sync = anyio.run(_through_sdk, world)
    report.add(f"sync request, SDK client{ON_TOP}", sync - plain, "ms", bare=plain, aim="≤ 20", reference="1 016")


def _beside_bare(call: Callable[[int], Any]) -> tuple[float, float]:
    """Milliseconds of the bare program and of the call, in turn."""
    runs, calls = [], []
    for number in range(times(200)):
        runs.append(bare(PROGRAM))
        began = time.perf_counter()
        call(number)
        calls.append(time.perf_counter() - began)
    return median(runs) * 1000, median(calls) * 1000


def _short_calls(client: Client, report: Report) -> None:
    submits, hits, looks = [], [], []
    for number in range(times(200)):
        started, took = client.call("tiny_request_async", {"prompt": f"a{number}"})
        submits.append(took)
        client.call("llm_job_wait", {"jobIds": [started["job"]["id"]]})
        looks.append(client.call("llm_job_status", {"jobId": started["job"]["id"]})[1])
        again, took = client.call("tiny_request_async", {"prompt": f"a{number}"})
        assert again["deduplicated"]
        hits.append(took)
    report.add("async submit, over the wire", median(submits) * 1000, "ms", aim="≤ 6", reference="11.3")
    report.add("dedup hit, over the wire", median(hits) * 1000, "ms", reference="3.2")
    report.add("status, over the wire", median(looks) * 1000, "ms", aim="≤ 0.6", reference="0.6")


async def _through_sdk(world: World) -> tuple[float, float]:
    target = StdioServerParameters(
        command=sys.executable, args=["-m", "llm_gateway.cli", "serve"], env=world.environ, cwd=world.place
    )
    runs, calls = [], []
    async with SdkClient(stdio_client(target), mode="legacy") as client:
        await client.call_tool("tiny_request", {"prompt": "first of the SDK"})
        for number in range(times(100)):
            runs.append(bare(PROGRAM))
            began = time.perf_counter()
            answer = await client.call_tool("tiny_request", {"prompt": f"sdk{number}"})
            calls.append(time.perf_counter() - began)
            assert not answer.is_error
    return median(runs) * 1000, median(calls) * 1000
