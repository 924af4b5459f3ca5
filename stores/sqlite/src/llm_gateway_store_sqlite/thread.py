"""A resource that may block: short calls run at once, all others in a separate thread, one after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from llm_gateway.errors import StoreUnavailable

T = TypeVar("T")


#: After this many calls without a pause, the other tasks of the event loop get their turn.
_AT_ONCE = 32


class Blocked(Exception):
    """A short call would have to wait. It has changed nothing."""


class OwnerThread:
    """Runs calls one after the other. A call that has started is always awaited to its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._in_use = threading.Lock()  # held by the one call that runs
        self._at_once = 0
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
        self._calls.put((partial(copy_context().run, call), future))
        with anyio.CancelScope(shield=True):
            result = await future
        return result  # noqa: RET504 (inside the scope, the type checker sees a way past it)

    async def run_short(self, attempt: Callable[[], T], call: Callable[[], T]) -> T:
        """Run a short call in the caller's thread, which saves the switch to another thread and back.

        :param attempt: must not wait. It raises Blocked if it would have to.
        :param call: the same call, which may wait. It runs in the thread if the attempt was blocked or if the resource is in use.
        """
        if self._thread is None:
            raise StoreUnavailable("The store is not open.")
        self._at_once += 1
        if self._at_once >= _AT_ONCE:
            self._at_once = 0
            await anyio.lowlevel.checkpoint()
        if self._thread is not None and self._in_use.acquire(blocking=False):
            try:
                return attempt()
            except Blocked:
                pass
            finally:
                self._in_use.release()
        return await self.run(call)

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
                with self._in_use:
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
