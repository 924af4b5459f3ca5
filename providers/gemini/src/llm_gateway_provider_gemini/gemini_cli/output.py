"""Gemini CLI's stream-json, read piece by piece.

What it says before a tool call is shown while it works; the answer is what it says after the last one, as in its own `json`
output. Its exit code tells little: a killed run, a cut one and one that was denied every tool all end with 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from llm_gateway import Event, EventKind, LineSplitter, NativeSessionId, Notice, RunEnd, RunFacts, Summary
from llm_gateway_provider_gemini.gemini_cli.argv import ATTEMPTS
from llm_gateway_provider_gemini.gemini_cli.usage import busiest_model, tokens
from llm_gateway_provider_gemini.values import described, line_object, mapping, text

#: Said once by overlay.cjs, when Gemini CLI has read the settings of the run.
IN_FORCE = "llm-gateway: the run's settings are in force"
_DENIED = ("policy_violation", "tool_not_registered")
_OUTSIDE = "Path not in workspace"
_ATTEMPT = re.compile(r"Attempt (\d+) failed(?: with status (\d+))?")


class GeminiReader:
    """Reads one run's output."""

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._lines = {"stdout": LineSplitter(), "stderr": LineSplitter()}
        self._servers = servers
        self._native_id: str | None = None
        self._said: list[str] = []  # since the last tool call
        self._before: list[str] = []
        self._errors: list[str] = []
        self._tools: dict[str, str] = {}  # tool id -> name
        self._denied: set[str] = set()
        self._result: dict[str, Any] = {}
        self._retries = 0
        self._in_force = self._dead_server = self._broken_rules = False

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
        stats = mapping(self._result.get("stats"))
        category = self._category(stats, end)
        return Summary(
            text=self._answer(whole=bool(category) or not self._result),
            native_id=NativeSessionId(self._native_id) if self._native_id else None,
            model=busiest_model(stats),
            usage=tokens(stats),
            run=RunFacts(retries=self._retries),
            failed=bool(category),
            failure=self._facts(category) if category else {},
            notices=tuple(self._notices()),
        )

    def _answer(self, *, whole: bool) -> str:
        last = "".join(self._said)
        if whole or not last.strip():
            return "\n\n".join(part for part in (*self._before, last) if part.strip())
        return last

    def _category(self, stats: dict[str, Any], end: RunEnd) -> str:
        """Why the output itself says that the turn failed; empty: it does not."""
        if self._broken_rules:
            return "rules"
        if not self._result:
            # A code of its own says more than the missing line.
            return "no_result" if end.exit_code == 0 else ""
        if self._result.get("status") != "success":
            return "error"
        if any("loop detected" in error.lower() for error in self._errors):
            return "loop"
        empty = not (self._said or self._before or self._tools or self._errors)
        return "overflow" if empty and not mapping(stats.get("models")) else ""

    def _facts(self, category: str) -> dict[str, Any]:
        error = mapping(self._result.get("error"))
        message = " / ".join(filter(None, [*self._errors, text(error.get("message"))]))
        return {
            "category": category,
            "type": text(error.get("type")),
            "message": message,
            "begun": bool(self._native_id),
        }

    def _notices(self) -> Iterator[Notice]:
        if self._denied:
            tools = sorted(self._denied)
            message = f"Gemini CLI was not allowed to use {', '.join(tools)}"
            yield Notice(code="permission_denied", message=message, details={"tools": tools})
        if self._dead_server:
            message = f"not all of these MCP servers started: {', '.join(self._servers) or 'those of an administrator'}"
            yield Notice(code="mcp_server_failed", message=message, details={"servers": list(self._servers)})
        if self._native_id and not self._in_force:
            message = "Gemini CLI did not read the run's settings: this conversation may be lost, limits and servers may be missing"
            yield Notice(code="settings_not_in_force", message=message)

    def _line(self, stream: str, line: bytes) -> Iterator[Event]:
        if stream == "stderr":
            yield from self._aside(line.decode(errors="replace"))
            return
        event = line_object(line)
        kind = event.get("type")
        if kind == "init":
            self._native_id = text(event.get("session_id")) or None
            if self._native_id:
                yield Event(kind=EventKind.SESSION, text=self._native_id)
        elif kind == "message" and event.get("role") == "assistant":
            if words := text(event.get("content")):
                self._said.append(words)
                yield Event(kind=EventKind.TEXT, text=words)
        elif kind == "tool_use":
            yield self._tool(event)
        elif kind == "tool_result":
            yield from self._outcome(event)
        elif kind == "error":
            if words := text(event.get("message")):
                self._errors.append(words)
                yield Event(kind=EventKind.STATUS, text=words)
        elif kind == "result":
            self._result = event

    def _tool(self, event: dict[str, Any]) -> Event:
        if self._said:
            self._before.append("".join(self._said))
            self._said.clear()
        name = text(event.get("tool_name")) or "a tool"
        self._tools[str(event.get("tool_id"))] = name
        return Event(kind=EventKind.TOOL, text=described(name, event.get("parameters")))

    def _outcome(self, event: dict[str, Any]) -> Iterator[Event]:
        error = mapping(event.get("error"))
        if error.get("type") in _DENIED or _OUTSIDE in text(error.get("message")):
            name = self._tools.get(str(event.get("tool_id")), "a tool")
            self._denied.add(name)
            yield Event(kind=EventKind.STATUS, text=f"not allowed: {name}")

    def _aside(self, line: str) -> Iterator[Event]:
        if line.startswith(IN_FORCE):
            self._in_force = True
        elif line.startswith("MCP issues detected"):
            self._dead_server = True
        elif "Policy file error in" in line:
            self._broken_rules = True
        elif match := _ATTEMPT.match(line):
            self._retries += int(match[1]) < ATTEMPTS
            status = f" ({match[2]})" if match[2] else ""
            yield Event(kind=EventKind.STATUS, text=f"attempt {match[1]} failed{status}")
