"""How many jobs a second."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.bench.report import Report
from tests.bench.world import World, bare, times

PROGRAM = ("/bin/echo", "hi")
WIDTHS = {16: "60", 64: "55"}
ROUNDS = 3


def measure(world: World, report: Report) -> None:
    """In-process and over the wire, with so many under way at once."""
    rounds = [world.inside("throughput", str(times(300))) for _ in range(ROUNDS)]
    for width, reference in WIDTHS.items():
        plain, through = (median(found[f"{kind}_{width}"] for found in rounds) for kind in ("bare", "jobs"))
        report.add(
            f"jobs a second, {width} at once, in-process", through, "/s", bare=plain, aim="≥ 150", reference=reference
        )
    with world.serve() as client:
        client.begin()
        client.call("tiny_request", {"prompt": "first"})
        for width, reference in WIDTHS.items():
            found, plain = [], []
            for round_ in range(ROUNDS):
                plain.append(_bare(width))
                prompts = [{"prompt": f"{width} {round_} {number}"} for number in range(times(300))]
                began = time.perf_counter()
                with ThreadPoolExecutor(width) as callers:
                    for answer, _ in callers.map(lambda words: client.call("tiny_request", words), prompts):
                        assert answer["status"] == "completed", answer
                        assert not answer.get("deduplicated"), answer
                found.append(len(prompts) / (time.perf_counter() - began))
            report.add(
                f"jobs a second, {width} at once, over the wire",
                median(found),
                "/s",
                bare=median(plain),
                aim="≥ 150",
                reference=reference,
            )


def _bare(width: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(width) as callers:
        list(callers.map(bare, [PROGRAM] * times(300)))
    return times(300) / (time.perf_counter() - began)
