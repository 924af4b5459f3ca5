"""One thread that owns one blocking resource: callables go in through a queue and run in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

import anyio

from llm_gateway.errors import StoreUnavailable

T = TypeVar("T")


class OwnerThread:
    """Runs calls one after the other, in a separate thread. A call that has started is always awaited to its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether calls are taken."""
        return self._thread is not None

    def start(self) -> None:
        """Begin to take calls."""
        if self._thread is None:
            # A daemon: a store that was not closed must not keep the interpreter from ending.
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in the thread and return what it returns.

        Shielded: a caller that is canceled meanwhile still learns whether its transaction happened, and is canceled at its
        next checkpoint.
        """
        if self._thread is None:
            raise StoreUnavailable("The store is not open.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((call, future))
        with anyio.CancelScope(shield=True):
            result = await future
        return result  # noqa: RET504 (inside the scope, the type checker sees a way past it)

    async def aclose(self, last: Callable[[], None]) -> None:
        """Run a last call behind all others, then end the thread. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.put((last, future))
        self._calls.put(None)
        with anyio.CancelScope(shield=True):
            try:
                await future
            finally:
                thread.join()  # it has nothing left to do

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, future = item
            result: Any = None
            error: BaseException | None = None
            try:
                result = call()
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the event loop has been closed: there is no caller any more
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del item, call, future, result, error  # keep nothing alive while waiting


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
