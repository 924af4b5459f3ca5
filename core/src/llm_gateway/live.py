"""The output of one run, read piece by piece: while it grows, and to its end."""

from __future__ import annotations

import threading
import time
from collections import deque

from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.provider import OutputReader
from llm_gateway.model.reply import Event, EventKind, Summary

_PIECE = 256 * 1024
_STDERR_TAIL = 8 * 1024
_PARTIAL_CHARS = 200_000
_BUSY_S = 0.002
_BREATH_S = 0.0003
_STREAMS = ("stdout", "stderr")


class LiveOutput:
    """Feeds a reader from an engine's files. Every method blocks: call it in a thread. Safe from several threads."""

    def __init__(self, engine: Engine, job_id: JobId, reader: OutputReader) -> None:
        self._engine = engine
        self._job_id = job_id
        self._reader = reader
        self._offsets = dict.fromkeys(_STREAMS, 0)
        self._guard = threading.Lock()
        self._stderr = b""
        self._texts: deque[str] = deque()
        self._text_chars = 0
        self._recent: deque[Event] = deque(maxlen=1000)
        self._events = 0
        self.first_event_at: float | None = None  #: when it was read
        self._trouble: Exception | None = None  #: what the reader raised; it is asked nothing more then

    def advance(self) -> None:
        """Read what has been written since the last time."""
        with self._guard:
            for stream in _STREAMS:
                self._read_on(stream, None)

    def since(self, number: int) -> tuple[int, list[Event]]:
        """Read on; how many events there have been, and those after the first `number`, at most the newest 1 000.

        Everyone who watches counts for himself: whoever makes the output be read takes nothing away from the others.
        """
        self.advance()
        with self._guard:
            fresh = min(self._events - number, len(self._recent))
            return self._events, list(self._recent)[len(self._recent) - fresh :]

    @property
    def latest(self) -> Event | None:
        """The newest event, for "what is it doing?"."""
        return self._recent[-1] if self._recent else None

    def finish(self, end: RunEnd) -> Summary:
        """Read to the end, over the holes, and sum up. Raises what the reader raised, now or before."""
        with self._guard:
            for stream in _STREAMS:
                self._read_on(stream, end.holes.get(stream))
            if self._trouble is not None:
                raise self._trouble
            return self._reader.finish(end)

    @property
    def stderr_tail(self) -> str:
        """The last words on stderr, at most 8 KiB."""
        return self._stderr.decode(errors="replace")

    @property
    def partial_text(self) -> str:
        """The newest words of the agent so far."""
        with self._guard:
            return "".join(self._texts)

    def _read_on(self, stream: str, hole: tuple[int, int] | None) -> None:
        breath = time.monotonic()
        while True:
            if time.monotonic() - breath > _BUSY_S:  # other calls wait for the interpreter while this one works
                time.sleep(_BREATH_S)
                breath = time.monotonic()
            offset, size = self._offsets[stream], _PIECE
            if hole and offset < hole[1]:
                if offset >= hole[0]:
                    self._reader.gap(stream)
                    self._offsets[stream] = hole[1]
                    continue
                size = min(size, hole[0] - offset)
            data = self._engine.read_output(self._job_id, stream, offset, size)
            if not data:
                return
            self._offsets[stream] = offset + len(data)
            if self._trouble is None:
                try:
                    self._take(stream, data)
                except Exception as error:  # a reader is a plugin's; `finish` tells, for a look it does not matter
                    self._trouble = error

    def _take(self, stream: str, data: bytes) -> None:
        if stream == "stderr":
            self._stderr = (self._stderr + data)[-_STDERR_TAIL:]
        # A hole that was made while we read shows as zero bytes, which no CLI prints.
        for number, piece in enumerate(data.split(b"\0")) if b"\0" in data else ((0, data),):
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
