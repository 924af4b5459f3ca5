"""A program: where the time of one request goes, from its arrival to its answer, in the gateway and in its shim.

python -m tests.bench.waterfall [HOW_MANY]: prints a table of medians. The steps of the gateway are timed by wrapping its functions,
those of the shim by a fork server that does the same (traced_fork_server.py); both read the same clock. What stands between two steps is
the event loop, the way to a thread and back, and the scheduler.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any

import anyio

import llm_gateway_engine_local
from llm_gateway import CallContext
from llm_gateway.gateway import Gateway
from llm_gateway.jobs.conclusion import Concluder
from llm_gateway.jobs.queue import AdmissionQueue
from llm_gateway.opening import open_gateway
from llm_gateway_engine_local.shim.starter import Starter
from tests.bench.traced_fork_server import Spans, timed
from tests.bench.world import HERE, World

STORE = {
    "active_session": "store: is there a conversation to continue",
    "find_duplicate": "store: has it been asked before",
    "earlier": "store: the turns before this one",
    "admit": "store: let it in (one transaction)",
    "finish_job": "store: the end, record and tallies (one transaction)",
    "get_job": "store: how the job stands",
    "mark_fetched": "store: it was handed out (one transaction)",
}
#: of the jobs and the hooks
BLOCKING = {
    "_prepare": "request.json, and what plugins say before the run",
    "complete": "read the output, judge, what plugins say after the run, reply.txt",
    "tree_state": "the state of the working tree",
}
#: of the engine
ENGINE = {"_conclude": "read how it ended"}
LAUNCHER = {"launch": "spec.json and stdin, a message to the fork server"}


def trace(gateway: Gateway) -> Spans:
    """Wrap what is timed; the spans grow with each call."""
    spans: Spans = []
    for name, told in STORE.items():
        setattr(gateway.store, name, _awaited(told, getattr(gateway.store, name), spans))
    engine: Any = gateway.engine
    for owner, names in ((engine, ENGINE), (engine._launcher, LAUNCHER)):
        for name, step in names.items():
            setattr(owner, name, timed(step, getattr(owner, name), spans))
    places: list[Any] = [AdmissionQueue, Concluder, gateway.host]
    for name, told in BLOCKING.items():
        place = next(place for place in places if hasattr(place, name))
        setattr(place, name, timed(told, getattr(place, name), spans))
    return spans


def _awaited(name: str, function: Callable[..., Any], spans: Spans) -> Callable[..., Any]:
    @wraps(function)
    async def around(*arguments: Any, **named: Any) -> Any:
        began = time.monotonic()
        try:
            return await function(*arguments, **named)
        finally:
            spans.append((name, began, time.monotonic()))

    return around


async def measure(environ: dict[str, str], traces: Path, calls: int) -> tuple[list[Spans], list[float]]:
    """The spans of each call, counted from its beginning, and how long each took."""
    found, totals = [], []
    async with open_gateway(environ) as gateway:
        spans = trace(gateway)
        for number in range(calls + 5):
            spans.clear()
            began = time.monotonic()
            answer: Any = await gateway.call("tiny_request", {"prompt": f"w{number}"}, CallContext())
            ended = time.monotonic()
            shim = [tuple(span) for span in json.loads((traces / answer.job_id).read_bytes())]
            mine = [*spans, *_last_of_each(shim)]
            if number >= 5:  # after what is done once
                found.append([(name, first - began, last - began) for name, first, last in mine if last <= ended])
                totals.append(ended - began)
    return found, totals


def _last_of_each(spans: list[Any]) -> Iterator[tuple[str, float, float]]:
    yield from {name: (name, first, last) for name, first, last in spans}.values()


def table(found: list[Spans], totals: list[float]) -> str:
    """Medians in microseconds, by when a step begins."""
    begins, lasts = defaultdict(list), defaultdict(list)
    for spans in found:
        seen: dict[str, int] = defaultdict(int)
        for name, first, last in sorted(spans, key=lambda span: span[1]):
            seen[name] += 1
            begins[name, seen[name]].append(first)
            lasts[name, seen[name]].append(last - first)
    usual = [key for key in begins if len(begins[key]) > len(found) / 2]
    rows = sorted((median(begins[key]), median(lasts[key]), key[0]) for key in usual)
    lines = [f"| {first * 1e6:,.0f} | {took * 1e6:,.0f} | {name} |" for first, took, name in rows]
    head = ["| begins at (µs) | takes (µs) | step |", "|--:|--:|---|"]
    return "\n".join([*head, *lines, f"| {median(totals) * 1e6:,.0f} | | the answer |"])


def main(calls: int) -> None:
    """Measure in a home of its own and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        world = World.make(root, root / "compiled")
        world.warm_up()
        command = [sys.executable, "-m", "tests.bench.waterfall", "inside", folder, str(calls)]
        subprocess.run(command, env=world.environ, cwd=world.place, check=True)


def inside(folder: Path, calls: int) -> None:
    """The measuring process, in the world's environment."""
    import os

    traces = folder / "traces"
    traces.mkdir()
    engine = str(Path(llm_gateway_engine_local.__file__).parent.parent)
    Starter.program = (sys.executable, "-I", "-S", str(HERE / "traced_fork_server.py"), engine, str(traces))
    print(table(*anyio.run(measure, dict(os.environ), traces, calls)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        inside(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 200)
