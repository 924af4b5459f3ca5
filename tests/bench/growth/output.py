"""A run that prints more and more."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from statistics import median

from tests.bench.growth.table import Growth
from tests.bench.memory import forget_peak, peak, resident
from tests.bench.output import bytes_written
from tests.bench.world import QUICK, Client, World, times

LOADS = (2**10, 100 * 2**10) if QUICK else (2**10, 100 * 2**10, 10 * 2**20, 100 * 2**20, 2**30)
CEILING = 256 * 1024 * 1024  #: of the settings, for each stream
PAGE = 64 * 1024
LONGEST_REPLY = 100 * 2**20
ROUNDS = {load: 1 if QUICK or load > 2**27 else 3 if load > 2**24 else 7 for load in LOADS}
TIME = "Time of a run that prints so much"


def measure(make: Callable[[], World]) -> Growth:
    """With a ceiling above all of it, then the greatest with the ceiling that the settings have."""
    growth = Growth(
        "output",
        "Output of a run",
        "bytes",
        LOADS,
        '"Bare" is the same program, its output read from a pipe and thrown away. The ceiling of output (`[limits] output_bytes`, 256 MB of each '
        "stream) is raised for this, and left alone in the last rows: there the middle of what is above it is given back to the disk while "
        "the run goes on. Bytes written are what the kernel counts for the gateway, and the files of the run, which are only ever appended to.",
    )
    world = make()
    world.environ["LLM_GATEWAY_LIMITS_OUTPUT_BYTES"] = str(4 * LOADS[-1])
    with _client(world) as client:
        for load in LOADS:
            runs = [_one(world, client, load, number) for number in range(ROUNDS[load])]
            growth.add("through the gateway", load, median(run["took"] for run in runs), "ms", picture=TIME)
            growth.add("bare", load, median(_bare(load) for _ in runs), "ms", picture=TIME)
            growth.add("the gateway's highest memory (resident)", load, max(run["peak"] for run in runs), "MB")
            growth.add("the gateway's memory grows by", load, max(run["grown"] for run in runs), "MB")
            growth.add("on disk for each byte", load, median(run["kept"] for run in runs), "bytes")
            growth.add("written for each byte", load, median(run["written"] for run in runs), "bytes")
            growth.add("a page of 64 kB, from the middle", load, median(run["page"] for run in runs), "ms")
        for load in LOADS:
            if load <= LONGEST_REPLY:
                _reply(client, growth, load)
    if LOADS[-1] > CEILING:
        world = make()
        with _client(world) as client:
            run = _one(world, client, LOADS[-1], 0)
        growth.add("with the usual ceiling: through the gateway", LOADS[-1], run["took"], "ms")
        growth.add("with the usual ceiling: the gateway's memory grows by", LOADS[-1], run["grown"], "MB")
        growth.add("with the usual ceiling: on disk for each byte", LOADS[-1], run["kept"], "bytes")
        growth.add("with the usual ceiling: a page of 64 kB, from the end", LOADS[-1], run["page"], "ms")
    return growth


def _reply(client: Client, growth: Growth, load: int) -> None:
    """A reply that is as long as the output, in pages."""
    answer, _ = client.call("tiny_request", {"prompt": f"speak {load}", "work": "speak", "amount": load})
    page = {"jobId": answer["jobId"], "maxChars": 16_000, "offset": load // 2}
    before = resident(client.pid)
    forget_peak(client.pid)
    pages = [client.call("llm_job_result", page)[1] for _ in range(times(20))]
    growth.add("a reply so long: a page of 16,000 characters, from the middle", load, median(pages) * 1000, "ms")
    growth.add("a reply so long: the gateway's memory grows for it by", load, peak(client.pid) - before, "MB")


@contextlib.contextmanager
def _client(world: World) -> Iterator[Client]:
    with world.serve() as client:
        client.begin()
        client.call("tiny_request", {"prompt": "first"})
        yield client


def _one(world: World, client: Client, load: int, number: int) -> dict[str, float]:
    """Run once; what it took and left behind, in the units of the rows."""
    before, written = resident(client.pid), bytes_written(client.pid)
    forget_peak(client.pid)
    answer, took = client.call("tiny_request", {"prompt": f"{load} {number}", "work": "flood", "amount": load})
    assert answer["status"] == "completed", answer
    highest = peak(client.pid)
    written = bytes_written(client.pid) - written
    folder = world.job(answer["jobId"])
    files = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    at = load - PAGE if load > CEILING and answer["truncated"] else load // 2
    page = {"jobId": answer["jobId"], "raw": "stdout", "maxChars": PAGE, "offset": max(at, 0)}
    pages = [client.call("llm_job_result", page) for _ in range(times(40))]
    assert all(len(found["page"]["text"]) == min(PAGE, load - page["offset"]) for found, _ in pages)
    shutil.rmtree(folder)  # a gigabyte
    return {
        "took": took * 1000,
        "peak": highest,
        "grown": highest - before,
        "kept": sum(file.st_blocks * 512 for file in files) / load,
        "written": (written + sum(file.st_size for file in files)) / load,
        "page": median(took for _, took in pages) * 1000,
    }


def _bare(load: int) -> float:
    """Milliseconds of the bare program, its output read and thrown away."""
    argv = ("/bin/sh", "-c", f"yes {'x' * 1023} | head -c $1", "sh", str(load))
    began = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout
        while os.read(process.stdout.fileno(), 256 * 1024):
            pass
    return (time.perf_counter() - began) * 1000
