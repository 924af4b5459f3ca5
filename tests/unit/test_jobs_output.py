"""Looking at a run's output costs a bounded time, whatever the run prints and whoever else reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

import anyio
import pytest

from llm_gateway import EndReason, Event, EventKind, JobId, LineSplitter, RunEnd, RunView, Summary
from llm_gateway.jobs.output import LOOK_S, LiveOutput, events_of

PATIENCE_S = 20.0
END = RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=datetime(2026, 1, 1, tzinfo=timezone.utc))


class Reader:
    """Tells each line as text."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.lines = LineSplitter()
        self.pause_s = pause_s
        self.gaps = 0

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        until = time.monotonic() + self.pause_s
        while time.monotonic() < until:  # a slow parser works, it does not sleep
            pass
        return [Event(kind=EventKind.TEXT, text=line.decode()) for line in self.lines.feed(data) if line]

    def gap(self, stream: str) -> None:
        self.gaps += 1
        self.lines.gap()

    def finish(self, end: RunEnd) -> Summary:
        return Summary(text="finished")


class Files:
    """An engine's files: what `stdout` holds, given by a function of offset and size."""

    def __init__(self, read: Callable[[int, int], bytes], size: int = 0) -> None:
        self.read = read
        self.size = size

    def read_output(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        return self.read(offset, size) if stream == "stdout" else b""

    def view(self, job_id: JobId) -> RunView:
        return RunView(known=True, alive=True, stdout_bytes=self.size)


def live_of(read: Callable[[int, int], bytes], reader: Any = None, size: int = 0) -> LiveOutput:
    return LiveOutput(Files(read, size), JobId("job-1"), reader or Reader())  # type: ignore[arg-type]  # two methods of it


def endless(offset: int, size: int) -> bytes:
    return b"a line of words\n" * (size // 16)


def of(content: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, size: content[offset : offset + size]


def test_a_look_at_endless_output_ends_and_tells_that_there_is_more() -> None:
    live = live_of(endless, Reader(pause_s=0.005))
    began = time.monotonic()
    assert live.advance() is False
    assert live.since(0).complete is False
    assert time.monotonic() - began < PATIENCE_S
    assert 0 < live.read_bytes < PATIENCE_S * 1e9


def test_what_a_look_left_the_next_one_reads() -> None:
    content = b"one\ntwo\n" * 400_000
    live = live_of(of(content), size=len(content))
    while not live.advance():
        assert 0 < live.read_bytes <= len(content)
        assert live.unread() == len(content) - live.read_bytes
    assert (live.read_bytes, live.unread()) == (len(content), 0)
    assert live.since(800_000 - 3).events == [Event(kind=EventKind.TEXT, text=word) for word in ("two", "one", "two")]


def test_nobody_waits_for_another_ones_reading_and_all_is_told_what_was_read() -> None:
    reading, may_go = threading.Event(), threading.Event()

    def stuck(offset: int, size: int) -> bytes:
        if offset < 8:
            return b"one\ntwo\n"[offset : offset + size]
        reading.set()
        assert may_go.wait(PATIENCE_S)
        return b""

    live = live_of(stuck, size=100)
    finishing = threading.Thread(target=live.finish, args=(END,))
    finishing.start()
    try:
        assert reading.wait(PATIENCE_S)
        began = time.monotonic()
        assert live.advance() is False
        news = live.since(0)
        told = (live.partial_text, live.latest, live.read_bytes)
        took = time.monotonic() - began
    finally:
        may_go.set()
        finishing.join()
    assert took < LOOK_S + 5.0
    assert [event.text for event in news.events] == ["one", "two"]
    assert told == ("onetwo", Event(kind=EventKind.TEXT, text="two"), 8)
    assert live.advance() is True, "what was finished has been read"


def test_trouble_of_the_machine_while_looking_is_left_to_the_next_look() -> None:
    broken = [True]

    def read(offset: int, size: int) -> bytes:
        if broken[0]:
            raise OSError(5, "Input/output error")
        return b"words\n"[offset : offset + size]

    live = live_of(read)
    assert live.advance() is False
    with pytest.raises(OSError, match="Input/output"):
        live.finish(END)
    broken[0] = False
    assert live.advance() is True
    assert live.finish(END).text == "finished"


def test_a_reader_that_fails_is_told_at_the_end_and_asked_nothing_more() -> None:
    class Broken(Reader):
        def feed(self, stream: str, data: bytes) -> Iterable[Event]:
            raise KeyError("a plugin's mistake")

    live = live_of(of(b"words\n"), Broken())
    assert live.advance() is True
    with pytest.raises(KeyError):
        live.finish(END)


def test_a_hundred_megabytes_of_zeros_are_one_gap_for_each_piece_and_soon_over() -> None:
    reader = Reader()
    zeros = bytes(65_536)
    live = live_of(lambda offset, size: zeros[:size] if offset < 100_000_000 else b"", reader)
    began = time.monotonic()
    assert live.finish(END).text == "finished"
    assert time.monotonic() - began < PATIENCE_S
    assert reader.gaps > 0


def test_holes_are_passed_over_and_never_read() -> None:
    def read(offset: int, size: int) -> bytes:
        assert not 4 <= offset < 10**15, "the hole was read"
        place = offset if offset < 4 else offset - 10**15 + 4
        return b"one\ntwo\nend\n"[place : place + min(size, 4 if offset < 4 else size)]

    reader = Reader()
    live = live_of(read, reader)
    end = RunEnd(reason=EndReason.EXITED, ended_at=END.ended_at, holes={"stdout": (4, 10**15)})
    live.finish(end)
    assert reader.gaps == 1
    assert live.since(0).events == [Event(kind=EventKind.TEXT, text=word) for word in ("one", "end")]


def test_who_watches_gets_all_events_although_one_look_does_not_read_all() -> None:
    content = b"".join(b"%06d\n" % number for number in range(900))
    slow = Reader()
    live = live_of(lambda offset, size: content[offset : offset + min(size, 700)], slow)
    slow.pause_s = 0.03  # a few pieces a look

    async def watch() -> list[str]:
        async def changes() -> Any:
            yield None

        with anyio.fail_after(PATIENCE_S):
            return [event.text async for event in events_of(live, changes()) if event.kind is EventKind.TEXT]

    assert anyio.run(watch) == [f"{number:06d}" for number in range(900)]
