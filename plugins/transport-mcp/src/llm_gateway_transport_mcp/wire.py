"""The connection to the client: lines of bytes in, lines of bytes out. This module does not know MCP.

Reading and writing block, so each has a daemon thread. So a client that sends nothing or has stopped reading cannot block the event
loop or the end of the process. Descriptors are read and written directly, without buffered file objects.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio import from_thread
from anyio.lowlevel import current_token
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from llm_gateway import LineSplitter
from llm_gateway_transport_mcp import handshake_cache

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

#: A prompt may have 10 MB, and JSON can use six bytes for each of them.
MAX_LINE_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
#: Exceptions in a thread that calls into an event loop that has ended.
_LOOP_ENDED = (RuntimeError, asyncio.CancelledError, concurrent.futures.CancelledError)


class LineTooLong(Exception):
    """A line was longer than the limit and was dropped. This object replaces it among the lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """An open connection to one client."""

    lines: AsyncIterator[bytes | LineTooLong]  #: without the line end; stops when the client closes its end
    send: Callable[
        [bytes], Awaitable[None]
    ]  #: one line, with its line end; returns when it is written; OSError: the client has closed the connection


class WireSource(Protocol):
    """The source of the connection: the process's stdio, or a handshake cache that has read from it already."""

    def acquire(self) -> None:
        """Reserve the connection for the protocol. A second call does nothing."""

    def open(self) -> AbstractAsyncContextManager[Wire]:
        """Open it for reading and writing, once."""


class Stdio:
    """The process's own stdin and stdout."""

    def __init__(self) -> None:
        self._fds: tuple[int, int] | None = None

    def acquire(self) -> None:
        """Move the connection away from descriptors 0 and 1 (see `acquire_stdio`). A second call does nothing."""
        if self._fds is None:
            self._fds = handshake_cache.acquire_stdio()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        """Read and write the acquired descriptors."""
        self.acquire()
        assert self._fds
        async with open_descriptors(*self._fds) as wire:
            yield wire


@asynccontextmanager
async def open_descriptors(read_fd: int, write_fd: int, first: bytes = b"") -> AsyncIterator[Wire]:
    """Open a wire over two descriptors, which stay open: a thread may still be blocked on them afterwards.

    :param first: input that was read already.
    """
    incoming, lines = anyio.create_memory_object_stream[bytes | LineTooLong](0)
    writer, ended = _Writer(write_fd), Event()
    Thread(
        target=_read, args=(read_fd, first, incoming, current_token(), ended), name="wire-reader", daemon=True
    ).start()
    try:
        yield Wire(lines=_each(lines), send=writer.send)
    finally:
        ended.set()
        writer.close()
        incoming.close()
        lines.close()


async def _each(lines: MemoryObjectReceiveStream[bytes | LineTooLong]) -> AsyncIterator[bytes | LineTooLong]:
    async for line in lines:
        yield line


def _read(
    fd: int,
    first: bytes,
    incoming: MemoryObjectSendStream[bytes | LineTooLong],
    token: EventLoopToken,
    ended: Event,
) -> None:
    splitter = LineSplitter(MAX_LINE_BYTES)
    dropped = 0
    with suppress(*_LOOP_ENDED):
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while (chunk := first or os.read(fd, _CHUNK_BYTES)) and not ended.is_set():
                first = b""
                for line in splitter.feed(chunk):
                    from_thread.run(incoming.send, line, token=token)
                if splitter.dropped > dropped:
                    dropped = splitter.dropped
                    from_thread.run(incoming.send, LineTooLong(), token=token)
            if (rest := splitter.rest()) and not ended.is_set():
                from_thread.run(incoming.send, rest, token=token)
        from_thread.run_sync(incoming.close, token=token)


class _Writer:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._token = current_token()
        self._queue: SimpleQueue[_Outgoing | None] = SimpleQueue()
        Thread(target=self._work, name="wire-writer", daemon=True).start()

    async def send(self, line: bytes) -> None:
        outgoing = _Outgoing(line)
        self._queue.put(outgoing)
        await outgoing.done.wait()
        if outgoing.error:
            raise outgoing.error

    def close(self) -> None:
        self._queue.put(None)

    def _work(self) -> None:
        with suppress(*_LOOP_ENDED):
            while outgoing := self._queue.get():
                rest = memoryview(outgoing.line)
                try:
                    while rest:
                        rest = rest[os.write(self._fd, rest) :]
                except OSError as error:
                    outgoing.error = error
                from_thread.run_sync(outgoing.done.set, token=self._token)


class _Outgoing:
    def __init__(self, line: bytes) -> None:
        self.line = line
        self.done = anyio.Event()
        self.error: OSError | None = None
