"""The output of one run, read in pieces: while it grows, and to its end.

A call about a running job reads for at most `LOOK_S`, even if the agent has printed much more, and waits no longer for another
caller's reading. The result says whether output is left unread. Only `finish` reads everything.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from anyio import sleep, to_thread

from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.provider import OutputReader
from llm_gateway.model.reply import Event, EventKind, Summary

#: How long one call may read and parse, in seconds. The last piece may take longer, so one call takes less than 100 ms.
LOOK_S = 0.05
#: Bytes. The slowest reader parses this in a few milliseconds, and the cost of one read call does not matter at this size.
_PIECE = 64 * 1024
_STDERR_TAIL = 8 * 1024
_PARTIAL_CHARS = 200_000
_RECENT_EVENTS = 1000
_BUSY_S = 0.002
_PAUSE_S = 0.0003
_STREAMS = ("stdout", "stderr")
_ZEROS = re.compile(rb"\0+")
#: How often `events_of` reports that reading is behind the output, in seconds.
_BEHIND_S = 2.0
_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The new events since an earlier call."""

    seen: int  #: the number of all events until now
    events: list[Event]  #: the new events, at most the newest 1 000
    complete: bool  #: whether all output has been read


class LiveOutput:
    """Passes the output in an engine's files to a reader. Every method blocks: call it in a thread. Thread-safe.

    There are two locks. The thread that reads and parses holds `_reading`; `advance` does not wait for it, `since` waits for at
    most `LOOK_S`. `_guard` protects the parsed events and texts, and is held only while one piece is parsed.
    """

    def __init__(self, engine: Engine, job_id: JobId, reader: OutputReader) -> None:
        self._engine = engine
        self._job_id = job_id
        self._reader = reader
        self._offsets = dict.fromkeys(_STREAMS, 0)
        self._reading = threading.Lock()
        self._guard = threading.Lock()
        self._stderr = b""
        self._texts: deque[str] = deque()
        self._text_chars = 0
        self._recent: deque[Event] = deque(maxlen=_RECENT_EVENTS)
        self._events = 0
        self.first_event_at: float | None = None  #: when the first event was read, in seconds since the epoch
        self.waiting_until: datetime | None = None  #: until when the CLI waits for a limit, as its newest events say
        self._error: Exception | None = (
            None  #: the exception that the reader raised; after it the reader gets no more output
        )
        self._finished = False

    def advance(self) -> bool:
        """Read for at most `LOOK_S`. Returns whether all output has been read. Does not wait if another thread reads."""
        return self._look(wait_s=0.0)

    def since(self, number: int) -> News:
        """Read for at most `LOOK_S`, and return the events after the first `number`.

        Each caller keeps its own count, so reading for one caller removes no events for the others.
        """
        complete = self._look(wait_s=LOOK_S)
        with self._guard:
            fresh = min(self._events - number, len(self._recent))
            events = list(self._recent)[len(self._recent) - fresh :]
            return News(seen=self._events, events=events, complete=complete)

    def unread(self) -> int:
        """Return how many bytes of both streams exist and have not been read."""
        view = self._engine.view(self._job_id)
        return max(0, view.stdout_bytes + view.stderr_bytes - self.read_bytes)

    def finish(self, end: RunEnd) -> Summary:
        """Read to the end, skip the holes, and return the summary. Raises the exception that the reader raised, now or before.

        Takes time in proportion to the unread output. Other calls return meanwhile with the part that has been read.
        """
        with self._reading:
            for stream in _STREAMS:
                self._read_to_end(stream, end.holes.get(stream))
            self._finished = True
            if self._error is not None:
                raise self._error
            with self._guard:
                return self._reader.finish(end)

    @property
    def latest(self) -> Event | None:
        """The newest event, which shows what the agent does now; not the one with the session's id."""
        with self._guard:
            return next((event for event in reversed(self._recent) if event.kind is not EventKind.SESSION), None)

    @property
    def read_bytes(self) -> int:
        """How many bytes of both streams have been read."""
        return sum(self._offsets.values())

    @property
    def stderr_tail(self) -> str:
        """The end of stderr, at most 8 KiB."""
        return self._stderr.decode(errors="replace")

    @property
    def partial_text(self) -> str:
        """The newest part of the agent's answer so far."""
        with self._guard:
            return "".join(self._texts)

    def _look(self, *, wait_s: float) -> bool:
        until = time.monotonic() + LOOK_S
        acquired = self._reading.acquire(timeout=wait_s) if wait_s else self._reading.acquire(blocking=False)
        if not acquired:
            return False
        try:
            return self._finished or self._read_until(until)
        except OSError:  # an error of the machine: the next call tries again, and `finish` raises it
            return False
        finally:
            self._reading.release()

    def _read_until(self, deadline: float) -> bool:
        """Read both streams in turn until the deadline. Returns whether both ends were reached."""
        while True:
            more = [self._read_piece(stream, _PIECE) for stream in _STREAMS]
            if not any(more):
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_S)  # release the interpreter lock for other threads

    def _read_to_end(self, stream: str, hole: tuple[int, int] | None) -> None:
        paused_at = time.monotonic()
        while True:
            if time.monotonic() - paused_at > _BUSY_S:
                time.sleep(_PAUSE_S)
                paused_at = time.monotonic()
            size = _PIECE
            if hole and self._offsets[stream] < hole[1]:
                if self._offsets[stream] >= hole[0]:
                    with self._guard:
                        self._reader.gap(stream)
                    self._offsets[stream] = hole[1]
                    continue
                size = min(size, hole[0] - self._offsets[stream])
            if not self._read_piece(stream, size):
                return

    def _read_piece(self, stream: str, size: int) -> bool:
        """Read and parse one piece. Returns False if there was none."""
        offset = self._offsets[stream]
        data = self._engine.read_output(self._job_id, stream, offset, size)
        if not data:
            return False
        self._offsets[stream] = offset + len(data)
        if self._error is None:
            with self._guard:
                try:
                    self._take(stream, data)
                except Exception as error:  # a plugin's reader may raise anything; only `finish` raises it again
                    self._error = error
        return True

    def _take(self, stream: str, data: bytes) -> None:
        if stream == "stderr":
            self._stderr = (self._stderr + data)[-_STDERR_TAIL:]
        # A hole that was made during the reading appears as zero bytes, which no CLI prints.
        for number, piece in enumerate(_ZEROS.split(data)) if b"\0" in data else ((0, data),):
            if number == 1:
                self._reader.gap(stream)
            if piece:
                for event in self._reader.feed(stream, piece):
                    self._remember(event)

    def _remember(self, event: Event) -> None:
        self._recent.append(event)
        if event.waiting_until is not None:
            self.waiting_until = event.waiting_until
        elif event.kind in (EventKind.TEXT, EventKind.TOOL):
            self.waiting_until = None
        self._events += 1
        self.first_event_at = self.first_event_at or time.time()
        if event.kind is EventKind.TEXT:
            self._texts.append(event.text)
            self._text_chars += len(event.text)
            while self._text_chars > _PARTIAL_CHARS and len(self._texts) > 1:
                self._text_chars -= len(self._texts.popleft())


async def events_of(live: LiveOutput, changes: AsyncIterator[None]) -> AsyncIterator[Event]:
    """Yield the events of a run as they happen. While reading is behind, also report from time to time how much is unread."""
    seen, reported_at = 0, time.monotonic()
    async for _ in changes:
        complete = False
        while not complete:
            news = await to_thread.run_sync(live.since, seen)
            seen, complete = news.seen, news.complete
            for event in news.events:
                yield event
            if complete:
                continue
            if time.monotonic() - reported_at > _BEHIND_S:
                reported_at = time.monotonic()
                unread = await to_thread.run_sync(live.unread)
                yield Event(kind=EventKind.STATUS, text=f"{unread / 1e6:.1f} MB of output not read yet")
            if not news.events:  # another thread reads, or reading fails for a while
                await sleep(_AGAIN_S)
