"""Antigravity's stream-json, read piece by piece.

Its last line adds tokens up over the whole conversation, so this run's are the sum over its own steps. The exit code says
almost nothing: a run that was denied a tool ends with 0, `SUCCESS` and no words; why stands on stderr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from llm_gateway import Event, EventKind, LineSplitter, NativeSessionId, Notice, RunEnd, Summary, Usage
from llm_gateway_provider_gemini.values import described
from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_text, token_count

_DENIED = re.compile(r'a tool required the "([^"]*)" permission')
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_ERROR_LINE = re.compile(r"^AGY_ERROR:\s*(\{.*)")
_TIMEOUT = "print timeout after"
_COUNTED = ("input_tokens", "cache_read_tokens", "output_tokens", "thinking_tokens")


class AgyReader:
    """Reads one run's output."""

    def __init__(self) -> None:
        self._lines = JsonLines()
        self._asides = LineSplitter()
        self._native_id: str | None = None
        self._model: str | None = None
        self._said: list[str] = []
        self._steps: dict[str, dict[str, Any]] = {}  # finished step -> its tokens
        self._shown: set[str] = set()
        self._result: dict[str, Any] = {}
        self._error: dict[str, Any] = {}  # the last one on standard error that is told as an object
        self._denied = ""
        self._timed_out = False

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Take the next bytes; give what they tell."""
        events: list[Event] = []
        if stream == "stdout":
            for event in self._lines.feed(data):
                events += self._event(event)
        else:
            for line in self._asides.feed(data):
                self._aside(line)
        return events

    def gap(self, stream: str) -> None:
        """Bytes are missing."""
        (self._lines if stream == "stdout" else self._asides).gap()

    def finish(self, end: RunEnd) -> Summary:
        """Sum it up."""
        for event in self._lines.rest():
            for _ in self._event(event):
                pass
        self._aside(self._asides.rest())
        answer = self._answer()
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
            failure=self._facts(category),
            structured=self._result.get("structured_output"),
            notices=notices,
        )

    def _answer(self) -> str:
        """The response; where it holds none, or only the beginning or the end of what was said, what was said."""
        told, said = as_text(self._result.get("response")), "".join(self._said)
        fragment = len(told) < len(said) and (said.startswith(told) or said.endswith(told))
        failed = bool(self._result) and not self._succeeded()
        return said if not told.strip() or (failed and fragment) else told

    def _succeeded(self) -> bool:
        status = self._result.get("status")
        return status == "SUCCESS" or (status is None and not self._result.get("error"))

    def _category(self, answer: str, end: RunEnd) -> str:
        if self._timed_out:
            return "timeout"
        if self._denied and not answer.strip():
            return "denied"
        if not self._result:
            if self._error and end.killed_by is None:
                return "error"
            return "no_result" if end.exit_code == 0 else ""
        return "" if self._succeeded() else "error"

    def _facts(self, category: str) -> dict[str, Any]:
        error = self._result.get("error")
        told = as_dict(error) or ({} if as_text(error) else self._error)
        name, words = as_text(told.get("status")), as_text(told.get("message"))
        status = told.get("code") if isinstance(told.get("code"), int) else None
        message = as_text(error) or ": ".join(filter(None, (name, words)))
        if category == "error" and not message:
            message = as_text(self._result.get("response"))
        failed = category == "error"
        return {
            "category": category,
            "message": message if failed else "",
            "status": status if failed else None,
            "kinds": [kind for kind in (name, as_text(told.get("type")), as_text(self._result.get("status"))) if kind],
            "retryable": told.get("retryable"),
            "denied": self._denied,
            "ended": bool(self._result) or failed,
            "started": bool(self._native_id),
        }

    def _usage(self) -> Usage:
        used = [step for step in self._steps.values() if step]
        if not used:
            return Usage()
        whole, read, out, thought = (_total(used, name) for name in _COUNTED)
        fresh = None if whole is None or read is None else max(0, whole - read)
        return Usage(input_tokens=fresh, output_tokens=out, cache_read_tokens=read, reasoning_tokens=thought)

    def _aside(self, line: bytes) -> None:
        words = _ESCAPES.sub("", line.decode(errors="replace")).strip()
        denied, error = _DENIED.search(words), _ERROR_LINE.match(words)
        if denied:
            self._denied = denied[1]
        if error:
            self._error = _object(error[1]) or self._error
        self._timed_out = self._timed_out or _TIMEOUT in words

    def _event(self, event: dict[str, Any]) -> Iterator[Event]:
        kind = as_text(event.get("event"))
        payload = as_dict(event.get(kind))
        if native_id := as_text(payload.get("conversation_id")):
            if native_id != self._native_id:
                yield Event(kind=EventKind.SESSION, text=native_id)
            self._native_id = native_id
        if kind == "init":
            self._model = as_text(payload.get("model")) or None
        elif kind == "step_update":
            yield from self._step(payload)
        elif kind == "result":
            self._result = payload

    def _step(self, step: dict[str, Any]) -> Iterator[Event]:
        index = str(step.get("step_index"))
        if step.get("state") in ("DONE", "ERROR"):
            self._steps[index] = as_dict(step.get("usage")) or self._steps.get(index, {})
        words = as_text(step.get("text_delta"))
        if step.get("step_type") == "agent_response" and words:
            self._said.append(words)
            yield Event(kind=EventKind.TEXT, text=words)
        info = as_dict(step.get("tool_info"))
        name = as_text(step.get("tool_name")) or as_text(info.get("name"))
        if name and index not in self._shown:
            self._shown.add(index)
            yield Event(kind=EventKind.TOOL, text=described(name, info.get("parameters")))


def _total(steps: list[dict[str, Any]], name: str) -> int | None:
    """Unknown where a step tells a number that cannot be true."""
    counts = [token_count(step.get(name, 0)) for step in steps]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _object(words: str) -> dict[str, Any]:
    try:
        return as_dict(json.loads(words))
    except (ValueError, RecursionError):
        return {}
