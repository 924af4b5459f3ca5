"""Progress notifications for a waiting client, at a limited rate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

#: The least time between two notifications.
INTERVAL_S = 0.25


@asynccontextmanager
async def paced(send: Callable[[float, str], Awaitable[None]]) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Yield a `progress(message)` that calls `send(number, message)` at most once an interval.

    Of several messages within one interval only the last is sent. The last message is always sent before the block ends. Numbers increase.
    """
    latest: list[str] = []
    received = anyio.Event()
    number = 0

    async def progress(message: str) -> None:
        latest[:] = [message]
        received.set()

    async def flush() -> None:
        nonlocal number
        if latest:
            number += 1
            await send(float(number), latest.pop())

    async def pace() -> None:
        nonlocal received
        while True:
            await received.wait()
            received = anyio.Event()
            await flush()
            await anyio.sleep(INTERVAL_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pace)
        yield progress
        await flush()
        tasks.cancel_scope.cancel()
