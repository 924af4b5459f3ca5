"""What the hot paths cost, counted instead of timed: calls of Python functions, in all threads, which no busy machine changes.

The least of several runs is held to a ceiling a quarter above what it was when the ceiling was written. Whoever makes a path
dearer on purpose writes a new one, and says why in the commit.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from llm_gateway import CallContext, Gateway

#: calls of Python functions on 3.11; newer versions need fewer, 3.10 about as many
CEILINGS = {"submit": 3_900, "dedup hit": 2_900, "status": 300, "result": 590, "list of 20": 3_430}
ROUNDS = 25


class Counter:
    """Counts calls in every thread that begins after it was made."""

    def __init__(self) -> None:
        self.calls = 0
        self.on = False

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        if self.on and event == "call":
            self.calls += 1


@contextmanager
def counting() -> Iterator[Counter]:
    counter = Counter()
    before = sys.getprofile()
    threading.setprofile(counter)
    sys.setprofile(counter)
    try:
        yield counter
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


async def count(counter: Counter, call: Callable[[], Awaitable[Any]]) -> int:
    """The least calls that it takes."""
    found = []
    for _ in range(ROUNDS):
        await anyio.lowlevel.checkpoint()
        counter.calls, counter.on = 0, True
        await call()
        counter.on = False
        found.append(counter.calls)
    return min(found)


async def measure(gateway: Gateway, counter: Counter, work: str) -> dict[str, int]:
    numbers = iter(range(1_000))

    async def call(name: str, **arguments: Any) -> Any:
        return await gateway.call(name, arguments, CallContext())

    async def submit(prompt: str | None = None) -> str:
        words = prompt or f"job {next(numbers)}"
        answer = await call("echo_request_async", prompt=words, workingDir=work, createNewSession=True)
        return str(answer.job["id"])

    for _ in range(20):
        job = await submit()
        await call("llm_job_wait", jobIds=[job])

    async def settled_submit() -> None:
        counter.on = False
        while await gateway.store.unfinished():
            await call("llm_job_wait", jobIds=[one.id for one in await gateway.store.unfinished()])
        counter.calls, counter.on = 0, True
        await submit()

    known = await submit("the same")
    await call("llm_job_wait", jobIds=[known])
    found = {
        "submit": await count(counter, settled_submit),
        "dedup hit": await count(counter, lambda: submit("the same")),
        "status": await count(counter, lambda: call("llm_job_status", jobId=known)),
        "result": await count(counter, lambda: call("llm_job_result", jobId=known)),
        "list of 20": await count(counter, lambda: call("llm_job_list", limit=20)),
    }
    while left := await gateway.store.unfinished():
        await call("llm_job_wait", jobIds=[one.id for one in left])
    return found


@pytest.mark.slow
def test_no_hot_path_costs_more_than_it_did(gateway_factory: Any) -> None:
    async def whole() -> dict[str, int]:
        async with gateway_factory.open(LLM_GATEWAY_STORE_URL="sqlite:") as gateway:
            return await measure(gateway, counter, str(gateway_factory.work))

    with counting() as counter:
        found = anyio.run(whole)
    assert {path: calls for path, calls in found.items() if calls > CEILINGS[path]} == {}, found
