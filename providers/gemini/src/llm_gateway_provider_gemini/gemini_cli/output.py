"""Read Gemini CLI's stream-json incrementally.

Text before a tool call is shown as progress; the answer is the text after the last tool call, as in its `json` output. The
exit code is not reliable: a killed run, a truncated run and a run that was denied every tool all end with 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from llm_gateway import Event, EventKind, LineSplitter, NativeSessionId, Notice, RunEnd, RunFacts, Summary
from llm_gateway_provider_gemini.gemini_cli.argv import ATTEMPTS
from llm_gateway_provider_gemini.gemini_cli.last_words import LastWords, exit_status
from llm_gateway_provider_gemini.gemini_cli.usage import busiest_model, tokens
from llm_gateway_provider_gemini.values import described
from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_text
from llm_gateway_provider_kit.waiting import reset_time, system_zone

#: overlay.cjs prints this once, when Gemini CLI has read the settings of the run.
IN_FORCE = "llm-gateway: the run's settings are in force"
_DENIED = ("policy_violation", "tool_not_registered")
_LONGEST_WAIT_S = 400 * 86_400
_OUTSIDE = "Path not in workspace"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_ERROR_TYPE = re.compile(r"_?(\w{1,60}Error):")
_ATTEMPT = re.compile(r"Attempt (\d+) failed(?: with status (\d+))?")


class GeminiReader:
    """Reads the output of one run."""

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._lines = JsonLines()
        self._stderr = LineSplitter()
        self._last_words = LastWords()
        self._servers = servers
        self._native_id: str | None = None
        self._texts: list[str] = []  # since the last tool call
        self._before: list[str] = []
        self._errors: list[str] = []
        self._warnings: list[str] = []
        self._tools: dict[str, str] = {}  # tool id -> name
        self._denied: set[str] = set()
        self._result: dict[str, Any] = {}
        self._retries = 0
        self._in_force = self._server_failed = False
        self._rules_error = ""  # its error message about a policy file

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Process the next bytes; return the events in them."""
        events: list[Event] = []
        if stream == "stdout":
            for event in self._lines.feed(data):
                events += self._event(event)
        else:
            for line in self._stderr.feed(data):
                events += self._stderr_line(line)
        return events

    def gap(self, stream: str) -> None:
        """Note that bytes are missing."""
        (self._lines if stream == "stdout" else self._stderr).gap()

    def finish(self, end: RunEnd) -> Summary:
        """Return the summary of the run."""
        for event in self._lines.rest():
            for _ in self._event(event):
                pass
        for _ in self._stderr_line(self._stderr.rest()):
            pass
        stats = as_dict(self._result.get("stats"))
        category = self._category(stats, end)
        return Summary(
            text=self._answer(all_texts=bool(category) or not self._result),
            native_id=NativeSessionId(self._native_id) if self._native_id else None,
            model=busiest_model(stats),
            usage=tokens(stats),
            run=RunFacts(retries=self._retries),
            failed=bool(category),
            failure=self._facts(category, end),
            notices=tuple(self._notices()),
        )

    def _answer(self, *, all_texts: bool) -> str:
        last = "".join(self._texts)
        if all_texts or not last.strip():
            return "\n\n".join(part for part in (*self._before, last) if part.strip())
        return last

    def _category(self, stats: dict[str, Any], end: RunEnd) -> str:
        """Return why the turn failed according to its output; "" if it did not fail."""
        if self._rules_error:
            return "rules"
        if not self._result:
            if end.exit_code == 0:
                return "no_result"
            return "error" if self._errors or self._gave_up(end) else ""
        if not self._succeeded(end):
            return "error"
        if any("loop detected" in message.lower() for message in (*self._errors, *self._warnings)):
            return "loop"
        empty = not (self._texts or self._before or self._tools or self._errors or self._warnings)
        return "overflow" if empty and not as_dict(stats.get("models")) else ""

    def _succeeded(self, end: RunEnd) -> bool:
        status = self._result.get("status")
        answered = bool(self._texts or self._before) and end.exit_code == 0 and not self._result.get("error")
        return status == "success" or (status is None and answered)

    def _gave_up(self, end: RunEnd) -> bool:
        """Whether standard error reports a final failure of a request, and the program exited by itself."""
        by_itself = end.killed_by is None or exit_status(end.exit_code) is not None
        return bool(self._last_words.message) and end.signal is None and by_itself

    def _facts(self, category: str, end: RunEnd) -> dict[str, Any]:
        error = self._result.get("error")
        messages = [as_text(error), as_text(as_dict(error).get("message"))]
        gave_up = category == "error" and self._gave_up(end)
        if category in ("error", "loop") and not any(messages) and gave_up and not self._errors:
            messages.append(self._last_words.message)
        message = " / ".join(text for text in (*self._errors, *messages) if text)
        if category == "loop" or (category == "error" and not message):
            message = " / ".join(filter(None, (message, *self._warnings)))
        error_type = _ERROR_TYPE.match(self._last_words.message) if gave_up else None
        if category == "rules":
            message = self._rules_error
        kinds = [as_text(as_dict(error).get("type")), error_type[1] if error_type else ""]
        return {
            "category": category,
            "kinds": [kind for kind in kinds if kind],
            "message": message,
            "status": exit_status(end.exit_code) if category == "error" else None,
            "reset_at": self._reset_at(message, end.ended_at) if category == "error" else None,
            "ended": bool(self._result) or category == "error",
            "started": bool(self._native_id),
        }

    def _reset_at(self, message: str, ended_at: datetime) -> datetime | None:
        """Return the reset time from standard error, if the message itself has none."""
        delay = self._last_words.delay_s
        if delay is None or delay > _LONGEST_WAIT_S or reset_time(message, ended_at, system_zone()):
            return None
        return ended_at + timedelta(seconds=delay)

    def _notices(self) -> Iterator[Notice]:
        if self._denied:
            tools = sorted(self._denied)
            message = f"Gemini CLI was not allowed to use {', '.join(tools)}"
            yield Notice(code="permission_denied", message=message, details={"tools": tools})
        if self._server_failed:
            message = f"not all of these MCP servers started: {', '.join(self._servers) or 'those of an administrator'}"
            yield Notice(code="mcp_server_failed", message=message, details={"servers": list(self._servers)})
        if self._native_id and not self._in_force:
            message = "Gemini CLI did not read the run's settings: this conversation may be lost, limits and servers may be missing"
            yield Notice(code="settings_not_in_force", message=message)

    def _event(self, event: dict[str, Any]) -> Iterator[Event]:
        kind = event.get("type")
        if kind == "init":
            self._native_id = as_text(event.get("session_id")) or self._native_id
            if self._native_id:
                yield Event(kind=EventKind.SESSION, text=self._native_id)
        elif kind == "message" and event.get("role") == "assistant":
            text = as_text(event.get("content"))
            if text:
                self._texts.append(text)
                yield Event(kind=EventKind.TEXT, text=text)
        elif kind == "tool_use":
            yield self._tool(event)
        elif kind == "tool_result":
            yield from self._outcome(event)
        elif kind == "error":
            message = as_text(event.get("message"))
            if message:
                messages = self._warnings if event.get("severity") == "warning" else self._errors
                messages.append(message)
                yield Event(kind=EventKind.STATUS, text=message)
        elif kind == "result":
            self._result = event

    def _tool(self, event: dict[str, Any]) -> Event:
        if self._texts:
            self._before.append("".join(self._texts))
            self._texts.clear()
        name = as_text(event.get("tool_name")) or "a tool"
        self._tools[str(event.get("tool_id"))] = name
        return Event(kind=EventKind.TOOL, text=described(name, event.get("parameters")))

    def _outcome(self, event: dict[str, Any]) -> Iterator[Event]:
        error = as_dict(event.get("error"))
        if error.get("type") in _DENIED or _OUTSIDE in as_text(error.get("message")):
            name = self._tools.get(str(event.get("tool_id")), "a tool")
            self._denied.add(name)
            yield Event(kind=EventKind.STATUS, text=f"not allowed: {name}")

    def _stderr_line(self, data: bytes) -> Iterator[Event]:
        line = _ESCAPES.sub("", data.decode(errors="replace")).rstrip("\r\n")
        attempt = _ATTEMPT.match(line)
        self._last_words.take(line)
        if line.startswith(IN_FORCE):
            self._in_force = True
        elif line.startswith("MCP issues detected"):
            self._server_failed = True
        elif "Policy file error in" in line:
            self._rules_error = line
        elif attempt:
            if int(attempt[1]) < ATTEMPTS:
                self._retries += 1
            status = f" ({attempt[2]})" if attempt[2] else ""
            yield Event(kind=EventKind.STATUS, text=f"attempt {attempt[1]} failed{status}")
