"""More and more turns in the store: what reading about them costs, and adding one."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from tests.bench import records
from tests.bench.growth.table import Growth
from tests.bench.world import QUICK, World, times

LOADS = (200, 2_000) if QUICK else (1_000, 10_000, 100_000, 1_000_000)
READ, WRITE = "Reading with so many turns in the store", "Writing with so many turns in the store"


def measure(make: Callable[[], World]) -> Growth:
    """Write so many into a store of their own, then ask."""
    growth = Growth(
        "records",
        "Turns in the store",
        "turns",
        LOADS,
        "Turns of 30 days (job, record, tallies) are written into the database directly, then a gateway is asked. The reference needs 313 ms "
        "for its cache view at 100,000.",
    )
    for load in LOADS:
        world = make()
        grown, appended_us = records.fill(world.root / "home" / "gateway.db", load)
        growth.add("the store, for each turn", load, grown / 1000, "kB")
        growth.add("a turn's end: record and tallies, in the store's transaction", load, appended_us / 1000, "ms")
        _reads(world, growth, load)
    return growth


def _reads(world: World, growth: Growth, load: int) -> None:
    session = f"gw-{0:032x}"
    began = time.perf_counter()
    with world.serve() as client:
        client.begin()
        client.call("llm_job_list", {"limit": 1})
        growth.add("start to the first answer from the store", load, (time.perf_counter() - began) * 1000, "ms")
        for what, uri in {
            "`cache-state://global`": "cache-state://global",
            "`cache-state://session/…`": f"cache-state://session/{session}",
            "`cache-state://prefix/…`": f"cache-state://prefix/{7:064x}",
            "`cache-state://history/30`": "cache-state://history/30",
            "`metrics://performance`": "metrics://performance",
        }.items():
            took = [client.ask_raw("resources/read", uri=uri)[2] for _ in range(times(60))]
            growth.add(what, load, median(took) * 1000, "ms", picture=READ)
        for what, tool, arguments in (
            ("`session_get`", "session_get", {"sessionId": session}),
            ("`llm_job_list` of 50", "llm_job_list", {"limit": 50}),
            ("`llm_process_health`, which counts the jobs", "llm_process_health", {}),
        ):
            took = [client.call(tool, arguments)[1] for _ in range(times(60))]
            growth.add(what, load, median(took) * 1000, "ms", picture=READ)
        client.call("tiny_request", {"prompt": "first"})
        runs = [client.call("tiny_request", {"prompt": f"run {number}"})[1] for number in range(times(60))]
        growth.add("a whole run, its record written", load, median(runs) * 1000, "ms", picture=WRITE)
        started = [client.call("tiny_request_async", {"prompt": f"a {number}"}) for number in range(times(60))]
        client.call("llm_job_wait", {"jobIds": [answer["job"]["id"] for answer, _ in started]})
        growth.add("submit", load, median(took for _, took in started) * 1000, "ms", picture=WRITE)
