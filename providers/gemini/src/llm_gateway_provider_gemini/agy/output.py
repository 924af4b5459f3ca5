"""Read Antigravity's stream-json incrementally.

The last line has the tokens of the whole conversation, so the tokens of this run are the sum of its steps. The exit code is
not reliable: a run that was denied a tool ends with 0, `SUCCESS` and no text; only stderr has the reason.
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
    """Reads the output of one run."""

    def __init__(self) -> None:
        self._lines = JsonLines()
        self._stderr = LineSplitter()
        self._native_id: str | None = None
        self._model: str | None = None
        self._texts: list[str] = []
        self._steps: dict[str, dict[str, Any]] = {}  # index of a finished step -> its tokens
        self._shown: set[str] = set()
        self._result: dict[str, Any] = {}
        self._error: dict[str, Any] = {}  # the last error object on standard error
        self._denied = ""
        self._timed_out = False

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Process the next bytes; return the events in them."""
        events: list[Event] = []
        if stream == "stdout":
            for event in self._lines.feed(data):
                events += self._event(event)
        else:
            for line in self._stderr.feed(data):
                self._stderr_line(line)
        return events

    def gap(self, stream: str) -> None:
        """Note that bytes are missing."""
        (self._lines if stream == "stdout" else self._stderr).gap()

    def finish(self, end: RunEnd) -> Summary:
        """Return the summary of the run."""
        for event in self._lines.rest():
            for _ in self._event(event):
                pass
        self._stderr_line(self._stderr.rest())
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
        """Return the response. If it is empty, or a failed run's part of the streamed text, return the streamed text."""
        response, streamed = as_text(self._result.get("response")), "".join(self._texts)
        fragment = len(response) < len(streamed) and (streamed.startswith(response) or streamed.endswith(response))
        failed = bool(self._result) and not self._succeeded()
        return streamed if not response.strip() or (failed and fragment) else response

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
        fields = as_dict(error)
        if not fields and not as_text(error):
            fields = self._error
        name, detail = as_text(fields.get("status")), as_text(fields.get("message"))
        status = fields.get("code") if isinstance(fields.get("code"), int) else None
        message = as_text(error) or ": ".join(filter(None, (name, detail)))
        if category == "error" and not message:
            message = as_text(self._result.get("response"))
        failed = category == "error"
        return {
            "category": category,
            "message": message if failed else "",
            "status": status if failed else None,
            "kinds": [
                kind for kind in (name, as_text(fields.get("type")), as_text(self._result.get("status"))) if kind
            ],
            "retryable": fields.get("retryable"),
            "denied": self._denied,
            "ended": bool(self._result) or failed,
            "started": bool(self._native_id),
        }

    def _usage(self) -> Usage:
        used = [step for step in self._steps.values() if step]
        if not used:
            return Usage()
        total_input, read, out, thought = (_total(used, name) for name in _COUNTED)
        fresh = None
        if total_input is not None and read is not None:
            fresh = max(0, total_input - read)
        return Usage(input_tokens=fresh, output_tokens=out, cache_read_tokens=read, reasoning_tokens=thought)

    def _stderr_line(self, line: bytes) -> None:
        text = _ESCAPES.sub("", line.decode(errors="replace")).strip()
        denied, error = _DENIED.search(text), _ERROR_LINE.match(text)
        if denied:
            self._denied = denied[1]
        if error:
            self._error = _object(error[1]) or self._error
        self._timed_out = self._timed_out or _TIMEOUT in text

    def _event(self, event: dict[str, Any]) -> Iterator[Event]:
        kind = as_text(event.get("event"))
        payload = as_dict(event.get(kind))
        native_id = as_text(payload.get("conversation_id"))
        if native_id and native_id != self._native_id:
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
        text = as_text(step.get("text_delta"))
        if step.get("step_type") == "agent_response" and text:
            self._texts.append(text)
            yield Event(kind=EventKind.TEXT, text=text)
        info = as_dict(step.get("tool_info"))
        name = as_text(step.get("tool_name")) or as_text(info.get("name"))
        if name and index not in self._shown:
            self._shown.add(index)
            yield Event(kind=EventKind.TOOL, text=described(name, info.get("parameters")))


def _total(steps: list[dict[str, Any]], name: str) -> int | None:
    """Return the sum of all steps; unknown if a step has an impossible number."""
    counts = [token_count(step.get(name, 0)) for step in steps]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _object(text: str) -> dict[str, Any]:
    try:
        return as_dict(json.loads(text))
    except (ValueError, RecursionError):
        return {}
