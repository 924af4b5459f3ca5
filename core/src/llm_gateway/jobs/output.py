"""The output of one run, read piece by piece: while it grows, and to its end.

A caller who looks at a running job pays for `LOOK_S` of reading at most, however much the agent has printed, and never waits for
another caller's reading: the answer says how much is left unread. `finish` alone reads everything.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from anyio import sleep, to_thread

from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.provider import OutputReader
from llm_gateway.model.reply import Event, EventKind, Summary

#: How long one look may read and parse. With the last piece, which may take longer than planned, a look stays below 100 ms.
LOOK_S = 0.05
#: Small enough for the slowest reader to take in a few milliseconds, large enough for the cost of a read not to matter.
_PIECE = 64 * 1024
_STDERR_TAIL = 8 * 1024
_PARTIAL_CHARS = 200_000
_RECENT_EVENTS = 1000
_BUSY_S = 0.002
_BREATH_S = 0.0003
_STREAMS = ("stdout", "stderr")
_ZEROS = re.compile(rb"\0+")
#: How often somebody who watches is told that reading lags behind.
_BEHIND_S = 2.0
_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is new since an earlier look."""

    seen: int  #: how many events there have been
    events: list[Event]  #: those that are new, at most the newest 1 000
    complete: bool  #: whether all that was printed has been read


class LiveOutput:
    """Feeds a reader from an engine's files. Every method blocks: call it in a thread. Safe from several threads.

    Two locks. `_reading` is held by the one who reads and parses; a look takes it without waiting, or waits for `LOOK_S`.
    `_guard` protects what has been learned, and is held while one piece is parsed, no longer.
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
        self.first_event_at: float | None = None  #: when it was read
        self._trouble: Exception | None = None  #: what the reader raised; it is asked nothing more then
        self._finished = False

    def advance(self) -> bool:
        """Read on for at most `LOOK_S`; whether all that was printed has been read. Who finds another reading does not wait."""
        return self._look(wait_s=0.0)

    def since(self, number: int) -> News:
        """Read on for at most `LOOK_S`, and give the events after the first `number`.

        Everyone who watches counts for himself: whoever makes the output be read takes nothing away from the others.
        """
        complete = self._look(wait_s=LOOK_S)
        with self._guard:
            fresh = min(self._events - number, len(self._recent))
            events = list(self._recent)[len(self._recent) - fresh :]
            return News(seen=self._events, events=events, complete=complete)

    def unread(self) -> int:
        """How many bytes of both streams are there and have not been read."""
        view = self._engine.view(self._job_id)
        return max(0, view.stdout_bytes + view.stderr_bytes - self.read_bytes)

    def finish(self, end: RunEnd) -> Summary:
        """Read to the end, over the holes, and sum up. Raises what the reader raised, now or before.

        Takes as long as the unread output is; looks are answered meanwhile with what has been read.
        """
        with self._reading:
            for stream in _STREAMS:
                self._read_to_end(stream, end.holes.get(stream))
            self._finished = True
            if self._trouble is not None:
                raise self._trouble
            with self._guard:
                return self._reader.finish(end)

    @property
    def latest(self) -> Event | None:
        """The newest event, for "what is it doing?"."""
        return self._recent[-1] if self._recent else None

    @property
    def read_bytes(self) -> int:
        """How many bytes of both streams have been read."""
        return sum(self._offsets.values())

    @property
    def stderr_tail(self) -> str:
        """The last words on stderr, at most 8 KiB."""
        return self._stderr.decode(errors="replace")

    @property
    def partial_text(self) -> str:
        """The newest words of the agent so far."""
        with self._guard:
            return "".join(self._texts)

    def _look(self, *, wait_s: float) -> bool:
        until = time.monotonic() + LOOK_S
        if not self._reading.acquire(timeout=wait_s) if wait_s else not self._reading.acquire(blocking=False):
            return False
        try:
            return self._finished or self._read_until(until)
        except OSError:  # the machine's trouble; the next look tries again, and `finish` tells
            return False
        finally:
            self._reading.release()

    def _read_until(self, deadline: float) -> bool:
        """Read both streams in turn until a time; whether their ends were met."""
        while True:
            more = [self._read_piece(stream, _PIECE) for stream in _STREAMS]
            if not any(more):
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_BREATH_S)  # other calls wait for the interpreter while this one works

    def _read_to_end(self, stream: str, hole: tuple[int, int] | None) -> None:
        breath = time.monotonic()
        while True:
            if time.monotonic() - breath > _BUSY_S:
                time.sleep(_BREATH_S)
                breath = time.monotonic()
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
        """Read one piece and have it parsed; whether there was one."""
        offset = self._offsets[stream]
        data = self._engine.read_output(self._job_id, stream, offset, size)
        if not data:
            return False
        self._offsets[stream] = offset + len(data)
        if self._trouble is None:
            with self._guard:
                try:
                    self._take(stream, data)
                except Exception as error:  # a reader is a plugin's; `finish` tells, for a look it does not matter
                    self._trouble = error
        return True

    def _take(self, stream: str, data: bytes) -> None:
        if stream == "stderr":
            self._stderr = (self._stderr + data)[-_STDERR_TAIL:]
        # A hole that was made while we read shows as zero bytes, which no CLI prints.
        for number, piece in enumerate(_ZEROS.split(data)) if b"\0" in data else ((0, data),):
            if number == 1:
                self._reader.gap(stream)
            if piece:
                for event in self._reader.feed(stream, piece):
                    self._remember(event)

    def _remember(self, event: Event) -> None:
        self._recent.append(event)
        self._events += 1
        self.first_event_at = self.first_event_at or time.time()
        if event.kind is EventKind.TEXT:
            self._texts.append(event.text)
            self._text_chars += len(event.text)
            while self._text_chars > _PARTIAL_CHARS and len(self._texts) > 1:
                self._text_chars -= len(self._texts.popleft())


async def events_of(live: LiveOutput, changes: AsyncIterator[None]) -> AsyncIterator[Event]:
    """What a run does, as it does it; where reading lags behind, how much is unread, now and then."""
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
            if not news.events:  # another one reads, or reading fails for a while
                await sleep(_AGAIN_S)
