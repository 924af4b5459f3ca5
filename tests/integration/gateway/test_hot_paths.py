"""What the hot paths cost, counted instead of timed: calls of Python functions, which no busy machine changes.

Only what a call does is counted: its own task, and the work that it hands to threads, which carry its context. Other tasks
and threads run meanwhile (earlier jobs end, observers hear of them, the store is swept) and count for nothing. The least of a few
runs is held to a ceiling a quarter above what it was when the ceiling was written. If you make a path cost more on purpose, write a new
one, and says why in the commit.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import datetime, timezone
from types import FrameType
from typing import Any

import anyio
import pytest

from llm_gateway import CallContext, Gateway

#: calls of Python functions on 3.11; newer versions need fewer, 3.10 about as many
CEILINGS = {"submit": 2_310, "dedup hit": 1_620, "status": 85, "result": 165, "list of 20": 810}
ROUNDS = 5

Submit = Callable[[str], Awaitable[str]]

_counted: ContextVar[bool] = ContextVar("counted", default=False)


class Counter:
    """Counts calls in the contexts that are counted, in every thread that begins after it was made."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and _counted.get():
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


def uncounted_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """A task that a counted call starts is not part of the call."""
    context = options.get("context") or copy_context()
    context.run(_counted.set, False)
    if sys.version_info >= (3, 11):
        return asyncio.Task(coroutine, loop=loop, **{**options, "context": context})
    return context.run(asyncio.Task, coroutine, loop=loop, **options)


async def count(counter: Counter, call: Callable[[], Awaitable[Any]]) -> int:
    """The least calls that it takes."""
    found = []
    for _ in range(ROUNDS):
        counter.calls = 0
        token = _counted.set(True)
        await call()
        _counted.reset(token)
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

    asyncio.get_running_loop().set_task_factory(uncounted_task)
    known = await submit("the same")
    await call("llm_job_wait", jobIds=[known])
    found = {
        "submit": await count(counter, submit),
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


async def measure_queue(gateway: Gateway, counter: Counter, jobs: list[str], submit: Submit) -> dict[str, int]:
    """What calls cost: `jobs[0]` runs, the others wait."""

    def calling(name: str, **arguments: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: gateway.call(name, arguments, CallContext())

    async def cancel_last() -> None:
        await calling("llm_job_cancel", jobId=jobs.pop())()

    numbers = iter(range(1000))
    return {
        "submit": await count(counter, lambda: submit(f"{len(jobs)} more {next(numbers)}")),
        "dedup hit": await count(counter, lambda: submit("number 1")),
        "status of the last one": await count(counter, calling("llm_job_status", jobId=jobs[-1])),
        "status of the running one": await count(counter, calling("llm_job_status", jobId=jobs[0])),
        "raw page": await count(counter, calling("llm_job_result", jobId=jobs[0], raw="stdout")),
        "list of 5": await count(counter, calling("llm_job_list", limit=5)),
        "cancel": await count(counter, cancel_last),
        "claim": await count(
            counter, lambda: gateway.store.claim("nobody", gateway.limits, datetime.now(timezone.utc))
        ),
        "sweep": await count(counter, gateway.jobs.recovery.recover_orphans),
    }


@pytest.mark.slow
def test_no_call_and_no_sweep_costs_more_with_a_long_queue(gateway_factory: Any) -> None:
    async def whole() -> list[dict[str, int]]:
        asyncio.get_running_loop().set_task_factory(uncounted_task)
        limits = {"LLM_GATEWAY_LIMITS_RUNNING": "1", "LLM_GATEWAY_LIMITS_QUEUED": "1000"}
        async with gateway_factory.open(LLM_GATEWAY_STORE_URL="sqlite:", **limits) as gateway:

            async def submit(prompt: str) -> str:
                more = {"scenario": "hang", "workingDir": str(gateway_factory.work), "createNewSession": True}
                answer = await gateway.call("echo_request_async", {"prompt": prompt, **more}, CallContext())
                return str(answer.job["id"])  # type: ignore[attr-defined]

            jobs, measured = [], []
            for length in (10, 80):
                while len(jobs) <= length:
                    jobs.append(await submit(f"number {len(jobs)}"))
                measured.append(await measure_queue(gateway, counter, jobs, submit))
            return measured

    with counting() as counter:
        few, many = anyio.run(whole)
    assert {path: (few[path], calls) for path, calls in many.items() if calls > few[path] + 10} == {}
