"""A provider for a CLI that prints JSON lines: a subclass says what its lines mean, and how its command is built.

class Parrot(JsonLinesProvider):
    info = ProviderInfo(name="parrot", title="Parrot", executable="parrot", postures=(Posture.READ_ONLY,))

    def build_argv(self, request, posture, resume):
        return Invocation(argv=("parrot", "--json"), stdin=request.prompt.text.encode())

    def read(self, turn, line):
        if line.get("type") == "say":
            turn.say(line.get("text"))
        elif line.get("type") == "done":
            turn.end()
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from llm_gateway import (
    Cost,
    CostBasis,
    Event,
    EventKind,
    Failure,
    FinishedRun,
    LineSplitter,
    NativeSessionId,
    Notice,
    Provider,
    Request,
    Resume,
    RunEnd,
    Session,
    Summary,
    Usage,
    plausible_usd,
    token_count,
)
from llm_gateway_provider_kit.conversations import resume_or_start
from llm_gateway_provider_kit.failures import FailureRule, explain
from llm_gateway_provider_kit.lines import JsonLines, as_text

__all__ = ["JsonLinesProvider", "JsonLinesReader", "Turn", "shown"]

SHOWN_CHARS = 200  #: of an event
_SEARCHED_CHARS = 2 * SHOWN_CHARS
_MESSAGE_CHARS = 2_000
#: Characters of text that are kept of a turn without a result; the last ones matter most.
_MOST_PARTIAL = 4 * 1024 * 1024


def shown(text: str) -> str:
    """Return the beginning of a text on one line, for an event."""
    return " ".join(text[:_SEARCHED_CHARS].split())[:SHOWN_CHARS]


class JsonLinesReader(ABC):
    """An `OutputReader` for JSON lines on standard output and, if wanted, lines on standard error.

    A subclass implements `read`, `summary` and, with `stderr=True`, `read_stderr`.

    :param irrelevant: see `JsonLines`.
    :param stderr: whether the lines of standard error are read, too.
    """

    def __init__(self, irrelevant: re.Pattern[bytes] | None = None, *, stderr: bool = False) -> None:
        self._objects = JsonLines(irrelevant)
        self._stderr = LineSplitter() if stderr else None

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Process the next bytes; return the events in them."""
        # A list: the bytes must be processed even if the events are not read.
        if stream == "stdout":
            return [event for line in self._objects.feed(data) for event in self.read(line)]
        if self._stderr is not None:
            return [event for line in self._stderr.feed(data) for event in self.read_stderr(line)]
        return []

    def gap(self, stream: str) -> None:
        """Note that bytes are missing."""
        if stream == "stdout":
            self._objects.gap()
        elif self._stderr is not None:
            self._stderr.gap()

    def finish(self, end: RunEnd) -> Summary:
        """Read what has no line break at its end, and return the summary."""
        for line in self._objects.rest():
            for _ in self.read(line):
                pass
        if self._stderr is not None:
            for _ in self.read_stderr(self._stderr.rest()):
                pass
        return self.summary(end)

    @abstractmethod
    def read(self, line: dict[str, Any]) -> Iterable[Event]:
        """Process one object; return the events in it. Must not raise on values of an unexpected type."""

    def read_stderr(self, line: bytes) -> Iterable[Event]:
        """Process one line of standard error, without its line break; it may be empty."""
        return ()

    @abstractmethod
    def summary(self, end: RunEnd) -> Summary:
        """Return the summary. Called once, after all lines."""


class Turn:
    """What the output of one run says. `JsonLinesProvider.read` calls its methods; each accepts any JSON value.

    :param joined_by: what separates the texts of several `say` calls.
    """

    def __init__(self, request: Request, joined_by: str = "") -> None:
        self.request = request  #: as it runs
        self.facts: dict[str, Any] = {}  #: for the provider's own notes; copied into `Summary.failure`
        self.ended = False  #: the output has an end of its own
        self.structured: Any = None  #: the object that outputSchema required
        self._joined_by = joined_by
        self._native_id = ""
        self._model = ""
        self._texts: deque[str] = deque()
        self._chars = 0
        self._result = ""
        self._error: dict[str, Any] | None = None
        self._tokens: dict[str, int] = {}
        self._usd: float | None = None
        self._notices: dict[str, Notice] = {}
        self._events: list[Event] = []

    def session(self, native_id: Any, model: Any = None) -> None:
        """The conversation's id, and the model that answers."""
        self._model = as_text(model) or self._model
        if isinstance(native_id, str) and native_id and native_id != self._native_id:
            self._native_id = native_id
            self._show(EventKind.SESSION, native_id)

    def say(self, text: Any) -> None:
        """The next part of the answer."""
        if not isinstance(text, str) or not text:
            return
        self._texts.append(text)
        self._chars += len(text)
        while self._chars > _MOST_PARTIAL and len(self._texts) > 1:
            self._chars -= len(self._texts.popleft())
        self._show(EventKind.TEXT, text)

    def tool(self, name: Any, detail: Any = "") -> None:
        """A tool is used."""
        self._show(EventKind.TOOL, f"{as_text(name)} {as_text(detail)}")

    def status(self, text: Any) -> None:
        """Anything else that a person may want to see, such as a retry."""
        self._show(EventKind.STATUS, as_text(text))

    def tokens(self, **counts: Any) -> None:
        """Tokens of one request to the model, added to those before. The names are those of `Usage`."""
        for name, value in counts.items():
            count = token_count(value)
            if count is not None:
                self._tokens[name] = self._tokens.get(name, 0) + count

    def cost(self, usd: Any) -> None:
        """The reported cost of the turn in US dollars; the last one counts."""
        amount = plausible_usd(usd)
        self._usd = self._usd if amount is None else amount

    def notice(self, code: str, message: str) -> None:
        """A warning for the caller; of each code the first."""
        self._notices.setdefault(code, Notice(code=code, message=message))

    def end(self, text: Any = None) -> None:
        """The turn has ended well.

        :param text: the whole answer, if the line has it; otherwise the texts of `say` are the answer.
        """
        self.ended, self._error = True, None
        self._result = as_text(text)

    def fail(
        self, message: Any, *, status: Any = None, kinds: Sequence[Any] = (), reset_at: datetime | None = None
    ) -> None:
        """The turn has failed. What the arguments mean: see `Summary.failure`."""
        self.ended = True
        self._error = {"message": as_text(message)[:_MESSAGE_CHARS]}
        if isinstance(status, int) and not isinstance(status, bool):
            self._error["status"] = status
        if kinds:
            self._error["kinds"] = [kind for kind in kinds if isinstance(kind, str)]
        if reset_at is not None:
            self._error["reset_at"] = reset_at

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def summary(self) -> Summary:
        """Return the summary. A turn without an end has failed, and its texts are kept; those of its error are not."""
        failed = self._error is not None or not self.ended
        error = self._error or {}
        texts = [text for text in self._texts if not failed or text != error.get("message")]
        return Summary(
            text=self._result if self._result and not failed else self._joined_by.join(texts),
            native_id=NativeSessionId(self._native_id) if self._native_id else None,
            model=self._model or None,
            usage=Usage(**self._tokens),
            cost=Cost() if self._usd is None else Cost(usd=self._usd, basis=CostBasis.REPORTED),
            failed=failed,
            failure={**self.facts, **error, "ended": self.ended, "started": bool(self._native_id)},
            structured=self.structured,
            notices=tuple(self._notices.values()),
        )

    def _show(self, kind: EventKind, text: str) -> None:
        line = shown(text)
        if line:
            self._events.append(Event(kind=kind, text=line))


class _TurnReader(JsonLinesReader):
    """Reads a run for a `JsonLinesProvider`."""

    def __init__(self, provider: JsonLinesProvider, turn: Turn) -> None:
        super().__init__(provider.irrelevant)
        self._provider = provider
        self._turn = turn

    def read(self, line: dict[str, Any]) -> Iterable[Event]:
        self._provider.read(self._turn, line)
        return self._turn.take_events()

    def summary(self, end: RunEnd) -> Summary:
        return self._turn.summary()


class JsonLinesProvider(Provider):
    """A provider whose CLI prints JSON lines. A subclass sets `info` and implements `build_argv` and `read`.

    Conversations are resumed by their id, failures are explained by `rules` and the shared rules.
    """

    #: True: the CLI takes the id of a new conversation, a UUID, from `Resume.native_id`. False: its output contains the id.
    chooses_id: ClassVar[bool] = False
    id_form: ClassVar[str] = "UUIDs"  #: what its ids are, for messages
    joined_by: ClassVar[str] = ""  #: what separates the texts that `Turn.say` receives; "\n\n" for whole messages
    irrelevant: ClassVar[re.Pattern[bytes] | None] = None  #: the beginning of lines that `read` does not need
    rules: ClassVar[Sequence[FailureRule]] = ()  #: what only this CLI says when it fails
    recoveries: ClassVar[Mapping[str, str]] = MappingProxyType({})  #: code -> what a user of this CLI can do

    @abstractmethod
    def read(self, turn: Turn, line: dict[str, Any]) -> None:
        """Note what one object of the output says. Must not raise on values of an unexpected type."""

    def resume_session(self, request: Request, session: Session | None) -> Resume:
        """Resume a conversation whose id matches `info.native_id_pattern`, or start one."""
        pattern = self.info.native_id_pattern
        return resume_or_start(session, self.info.title, chooses_id=self.chooses_id, pattern=pattern, form=self.id_form)

    def open_reader(self, request: Request) -> JsonLinesReader:
        """Read the run with `read`."""
        return _TurnReader(self, Turn(request, self.joined_by))

    def explain_failure(self, run: FinishedRun) -> Failure | None:
        """Explain a failure by `rules`, then by the shared rules."""
        return explain(run, self.rules, program=self.info.title, recoveries=self.recoveries)
