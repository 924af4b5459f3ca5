"""Read events and a summary from the program's output. Pure: the same bytes give the same summary wherever they are cut."""

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from llm_gateway import Cost, CostBasis, Event, EventKind, LineSplitter, NativeSessionId, RunEnd, Summary, Usage

#: Bytes. An answer is one line, with up to six bytes for each character of a 10 MB prompt.
MAX_LINE = 64 * 1024 * 1024
#: Characters that are kept of a run without a result; the last ones matter most.
MAX_PARTIAL = 4 * 1024 * 1024


class EchoReader:
    """Reads the output of one run."""

    def __init__(self) -> None:
        self._lines = LineSplitter(MAX_LINE)
        self._unreadable = 0
        self._partial: deque[str] = deque()
        self._partial_chars = 0
        self._session: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._result: str | None = None
        self._error: dict[str, Any] | None = None

    def feed(self, stream: str, data: bytes) -> list[Event]:
        """Process the next bytes; return the events in them."""
        if stream != "stdout":
            return []
        # A list, not a generator: the bytes must be processed even if the events are not read.
        return [event for line in self._lines.feed(data) for event in self._read(line)]

    def gap(self, stream: str) -> None:
        """Note that bytes are missing: drop an incomplete line."""
        if stream == "stdout":
            self._lines.gap()

    def finish(self, end: RunEnd) -> Summary:
        """Return the summary. The last result or error decides. A run without either has failed, and its text is kept."""
        for _ in self._read(self._lines.rest()):
            pass
        failure: dict[str, Any] = {}
        if self._error is not None:
            failure = self._error
        elif self._result is None:
            failure = {"kind": "unreadable" if self._unreadable or self._lines.dropped else "no_result"}
        cost = _number(self._usage, "costUsd")
        return Summary(
            text=self._result if self._result is not None else "".join(self._partial),
            native_id=_string(self._session, "id", NativeSessionId),
            model=_string(self._session, "model", str),
            usage=Usage(
                input_tokens=_count(self._usage, "inputTokens"),
                output_tokens=_count(self._usage, "outputTokens"),
                cache_read_tokens=_count(self._usage, "cacheReadTokens"),
                cache_creation_tokens=_count(self._usage, "cacheCreationTokens"),
            ),
            cost=Cost() if cost is None else Cost(usd=float(cost), basis=CostBasis.REPORTED),
            failed=bool(failure),
            failure=failure,
        )

    def _read(self, line: bytes) -> Iterator[Event]:
        if not line.strip():
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._unreadable += 1
            return
        kind, text = event.get("type"), event.get("text")
        if kind == "session":
            self._session = event
            yield Event(kind=EventKind.SESSION, text=_one_line(str(event.get("id", ""))))
        elif kind == "text" and isinstance(text, str):
            self._keep(text)
            yield Event(kind=EventKind.TEXT, text=text)
        elif kind == "tool":
            yield Event(kind=EventKind.TOOL, text=_one_line(f"{event.get('name')}: {event.get('detail')}"))
        elif kind == "usage":
            self._usage = event
        elif kind == "result" and isinstance(text, str):
            self._result, self._error = text, None
        elif kind == "error":
            self._error = event
        # Ignore other kinds: a newer version may print them.

    def _keep(self, text: str) -> None:
        self._partial.append(text)
        self._partial_chars += len(text)
        while self._partial_chars > MAX_PARTIAL and len(self._partial) > 1:
            self._partial_chars -= len(self._partial.popleft())


def _one_line(text: str) -> str:
    return " ".join(text[:400].split())[:200]


def _string(event: dict[str, Any], name: str, kind: Any) -> Any:
    value = event.get(name)
    return kind(value) if isinstance(value, str) else None


def _number(event: dict[str, Any], name: str) -> int | float | None:
    value = event.get(name)
    return value if isinstance(value, (int, float)) and 0 <= value < 2**53 else None


def _count(event: dict[str, Any], name: str) -> int | None:
    value = _number(event, name)
    return None if value is None else int(value)
