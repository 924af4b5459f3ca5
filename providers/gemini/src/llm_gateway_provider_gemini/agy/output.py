"""Antigravity's stream-json, read piece by piece.

Its last line adds tokens up over the whole conversation, so this run's are the sum over its own steps. The exit code says
almost nothing: a run that was denied a tool ends with 0, `SUCCESS` and no words; why stands on stderr.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from llm_gateway import Event, EventKind, LineSplitter, NativeSessionId, Notice, RunEnd, Summary, Usage
from llm_gateway_provider_gemini.values import count, described, line_object, mapping, text

_DENIED = re.compile(r'a tool required the "([^"]*)" permission')
_TIMEOUT = "print timeout after"
_COUNTED = ("input_tokens", "cache_read_tokens", "output_tokens", "thinking_tokens")


class AgyReader:
    """Reads one run's output."""

    def __init__(self) -> None:
        self._lines = {"stdout": LineSplitter(), "stderr": LineSplitter()}
        self._native_id: str | None = None
        self._model: str | None = None
        self._said: list[str] = []
        self._steps: dict[str, dict[str, Any]] = {}  # finished step -> its tokens
        self._shown: set[str] = set()
        self._result: dict[str, Any] = {}
        self._denied = ""
        self._timed_out = False

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Take the next bytes; give what they tell."""
        events: list[Event] = []
        for line in self._lines[stream].feed(data):
            events += self._line(stream, line)
        return events

    def gap(self, stream: str) -> None:
        """Bytes are missing."""
        self._lines[stream].gap()

    def finish(self, end: RunEnd) -> Summary:
        """Sum it up."""
        for stream, lines in self._lines.items():
            for _ in self._line(stream, lines.rest()):
                pass
        answer = text(self._result.get("response")) or "".join(self._said)
        category = self._category(answer, end)
        notices: tuple[Notice, ...] = ()
        if self._denied and not category:
            message = f"Antigravity was not allowed to use {self._denied}"
            notices = (Notice(code="permission_denied", message=message, details={"tools": [self._denied]}),)
        return Summary(
            text=answer,
            native_id=NativeSessionId(self._native_id) if self._native_id else None,
            model=self._model,
            usage=self._usage(),
            failed=bool(category),
            failure=self._facts(category) if category else {},
            structured=self._result.get("structured_output"),
            notices=notices,
        )

    def _category(self, answer: str, end: RunEnd) -> str:
        if self._timed_out:
            return "timeout"
        if self._denied and not answer.strip():
            return "denied"
        if not self._result:
            return "no_result" if end.exit_code == 0 else ""
        return "" if self._result.get("status") == "SUCCESS" else "error"

    def _facts(self, category: str) -> dict[str, Any]:
        error = self._result.get("error")
        message = text(error) or text(mapping(error).get("message")) or ""
        if category == "error" and not message:
            message = text(self._result.get("response"))
        return {"category": category, "message": message, "denied": self._denied, "begun": bool(self._native_id)}

    def _usage(self) -> Usage:
        used = [step for step in self._steps.values() if step]
        if not used:
            return Usage()
        whole, read, out, thought = (sum(count(step.get(name)) for step in used) for name in _COUNTED)
        return Usage(
            input_tokens=max(0, whole - read), output_tokens=out, cache_read_tokens=read, reasoning_tokens=thought
        )

    def _line(self, stream: str, line: bytes) -> Iterator[Event]:
        if stream == "stderr":
            words = line.decode(errors="replace")
            if match := _DENIED.search(words):
                self._denied = match[1]
            self._timed_out = self._timed_out or _TIMEOUT in words
            return
        event = line_object(line)
        kind = text(event.get("event"))
        payload = mapping(event.get(kind))
        if native_id := text(payload.get("conversation_id")):
            if native_id != self._native_id:
                yield Event(kind=EventKind.SESSION, text=native_id)
            self._native_id = native_id
        if kind == "init":
            self._model = text(payload.get("model")) or None
        elif kind == "step_update":
            yield from self._step(payload)
        elif kind == "result":
            self._result = payload

    def _step(self, step: dict[str, Any]) -> Iterator[Event]:
        index = str(step.get("step_index"))
        if step.get("state") in ("DONE", "ERROR"):
            self._steps[index] = mapping(step.get("usage")) or self._steps.get(index, {})
        words = text(step.get("text_delta"))
        if step.get("step_type") == "agent_response" and words:
            self._said.append(words)
            yield Event(kind=EventKind.TEXT, text=words)
        info = mapping(step.get("tool_info"))
        name = text(step.get("tool_name")) or text(info.get("name"))
        if name and index not in self._shown:
            self._shown.add(index)
            yield Event(kind=EventKind.TOOL, text=described(name, info.get("parameters")))
