"""A run that prints 100 MB: what it costs, and what it costs the others."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.memory import forget_peak, peak, resident
from tests.bench.report import Report
from tests.bench.world import QUICK, Client, World, bare

AMOUNT = 5_000_000 if QUICK else 100_000_000
SIZE = f"{AMOUNT // 1_000_000} MB of output"
ROUNDS = 1 if QUICK else 5


def measure(world: World, report: Report) -> None:
    """Unwatched, then with a client that is told of each step."""
    with world.serve() as client:
        client.begin()
        client.call("tiny_request", {"prompt": "first"})
        argv = ("/bin/sh", "-c", f"yes {'x' * 1023} | head -c $1", "sh", str(AMOUNT))
        for how, meta in (("", {}), (", watched with progress", {"progressToken": "bench"})):
            runs, calls, growths, waits, shares, writes = [], [], [], [], [], []
            for number in range(ROUNDS):
                runs.append(bare(argv))
                written = bytes_written(client.pid)
                took, grown, worst, share = _flood(world, client, f"{how}{number}", meta)
                calls.append(took)
                growths.append(grown)
                waits.append(worst)
                shares.append(share)
                writes.append((bytes_written(client.pid) - written) / AMOUNT + share)
            report.add(f"{SIZE}{how}", median(calls), "s", bare=median(runs), aim="≤ 2", reference="impossible")
            report.add("the gateway's memory grows by", max(growths), "MB", aim="< 20")
            report.add("the slowest status call meanwhile", median(waits) * 1000, "ms", aim="< 50")
            if not how:
                plain = _to_file(argv, world.root / "plain")
                report.add("the same program, its output into a file", plain, "s", bare=median(runs))
                report.add("on disk for each byte of output", median(shares), "bytes")
                report.add(
                    "written for each byte of output, by the run, its shim and the gateway",
                    median(writes),
                    "bytes",
                    aim="≤ 1.1",
                )


def _flood(world: World, client: Client, prompt: str, meta: dict[str, Any]) -> tuple[float, float, float, float]:
    """Seconds of the call, megabytes of growth, seconds of the slowest other call, bytes on disk for each of output."""
    before = resident(client.pid)
    forget_peak(client.pid)
    worst, over = [0.0], threading.Event()
    known, _ = client.call("tiny_request_async", {"prompt": f"beside {prompt}"})

    def look() -> None:
        while not over.is_set():
            worst.append(client.call("llm_job_status", {"jobId": known["job"]["id"]})[1])

    beside = threading.Thread(target=look)
    beside.start()
    try:
        answer, took = client.call("tiny_request", {"prompt": prompt, "work": "flood", "amount": AMOUNT}, **meta)
    finally:
        over.set()
        beside.join()
    folder = world.job(answer["jobId"])
    blocks = sum(path.lstat().st_blocks for path in folder.rglob("*"))
    return took, peak(client.pid) - before, max(worst), blocks * 512 / AMOUNT


def bytes_written(pid: int) -> int:
    """What the kernel counts as written to a disk by a process so far."""
    words = Path(f"/proc/{pid}/io").read_text().split()
    return int(words[words.index("write_bytes:") + 1])


def _to_file(argv: tuple[str, ...], path: Path) -> float:
    import time

    began = time.perf_counter()
    with path.open("wb") as file:
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=file, check=True)
    took = time.perf_counter() - began
    path.unlink()
    return took
