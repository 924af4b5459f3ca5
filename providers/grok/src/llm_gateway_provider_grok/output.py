"""Grok's streaming-json, read piece by piece.

What counts is the last line: `end`, whose `stopReason` says whether the turn was finished (exit code 0 does not), or `error`.
The session's id stands in `end` alone; for other ends it is taken from the artifact that carries it (see argv.py), as soon as
Grok has shown that the session exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from llm_gateway import Event, EventKind, NativeSessionId, Notice, RunEnd, Summary
from llm_gateway_provider_grok.lines import SpokenLines
from llm_gateway_provider_grok.usage import RunUsage
from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_text, token_count

_SHOWN_CHARS = 200
_REFUSED = ("User cancelled the execution", "was not executed: Denied by permission policy", "Auto mode blocked")


class GrokReader:
    """Reads one run's output."""

    def __init__(self) -> None:
        self._lines = JsonLines()
        self._texts: list[list[str]] = [[]]  # of each message; a tool stands between two
        self._spoken = SpokenLines()
        self._tools: dict[str, str] = {}  # call id -> tool
        self._denied: dict[str, str] = {}
        self._began = False  # there is a session
        self._capped = False
        self._end: dict[str, Any] | None = None
        self._error: dict[str, Any] | None = None
        self._usage = RunUsage()

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Take the next bytes; give what they tell."""
        events: list[Event] = []
        if stream == "stdout":
            for event in self._lines.feed(data):
                events += self._event(event)
        return events

    def gap(self, stream: str) -> None:
        """Bytes are missing."""
        if stream == "stdout":
            self._lines.gap()

    def finish(self, end: RunEnd) -> Summary:
        """Sum it up."""
        for event in self._lines.rest():
            for _ in self._event(event):
                pass
        last = self._end or {}
        finished = self._end is not None and _finished(last)
        # A turn that ended well is an answer, whatever went wrong before or behind it.
        failed = not finished and (self._error is not None or self._end is not None or end.exit_code == 0)
        native_id = as_text(last.get("sessionId"))
        if not native_id and self._began:
            native_id = next((path.rpartition("/")[2] for path in end.artifacts), "")
        return Summary(
            text="\n\n".join(filter(None, ("".join(pieces) for pieces in self._texts))),
            native_id=NativeSessionId(native_id) if native_id else None,
            model=_model(last.get("modelUsage")),
            usage=self._usage.tokens(),
            cost=self._usage.cost(),
            failed=failed,
            failure=self._facts(last),
            structured=last.get("structuredOutput"),
            notices=tuple(self._notices(last)),
        )

    def _facts(self, last: dict[str, Any]) -> dict[str, Any]:
        error = self._error or {}
        words = [as_text(error.get(name)) for name in ("message", "error")]
        kinds = [last.get("stopReason"), *(error.get(name) for name in ("error_kind", "code", "kind"))]
        return {
            "message": next(filter(None, words), "unknown") if self._error is not None else "",
            "status": next((error[name] for name in ("http_status", "status") if error.get(name)), None),
            "kinds": [kind for kind in map(as_text, kinds) if kind],
            "capped": self._capped,
            "ended": self._end is not None or self._error is not None,
            "started": self._began or self._end is not None,
        }

    def _event(self, event: dict[str, Any]) -> Iterator[Event]:
        kind = event.get("type")
        if kind == "text":
            text = as_text(event.get("data"))
            self._texts[-1].append(text)
            yield from (Event(kind=EventKind.TEXT, text=words) for words in self._spoken.feed(text))
        elif kind in ("tool_call", "end", "error"):
            if words := self._spoken.rest():
                yield Event(kind=EventKind.TEXT, text=words)
            yield from self._step(kind, event)
        elif kind == "usage":
            self._usage.respond(event.get("usage"))
        elif kind == "tool_call_update":
            yield from self._update(event)
        elif kind == "available_commands":
            self._began = True
        elif kind == "max_turns_reached":
            self._capped = True

    def _step(self, kind: str, event: dict[str, Any]) -> Iterator[Event]:
        if kind == "tool_call":
            yield self._tool(event)
        elif kind == "error":
            self._error = event
        else:
            self._end = event
            self._usage.end(event)
            if native_id := as_text(event.get("sessionId")):
                yield Event(kind=EventKind.SESSION, text=native_id)

    def _tool(self, event: dict[str, Any]) -> Event:
        if any(self._texts[-1]):
            self._texts.append([])
        name = as_text(event.get("toolName")) or as_text(event.get("title")) or "a tool"
        raw = event.get("rawInput")
        given: dict[str, Any] = raw if isinstance(raw, dict) else {}
        if name == "use_tool" and as_text(given.get("tool_name")):
            name = given["tool_name"]
        self._tools[str(event.get("toolCallId"))] = name
        hints = ("command", "file_path", "target_file", "pattern", "path", "url", "query", "description")
        hint = next((str(given[hint]) for hint in hints if given.get(hint)), "")
        return Event(kind=EventKind.TOOL, text=" ".join(f"{name} {hint}".split())[:_SHOWN_CHARS])

    def _update(self, event: dict[str, Any]) -> Iterator[Event]:
        if event.get("status") != "failed":
            return
        words = json.dumps(event.get("content"), ensure_ascii=False)
        if any(sign in words for sign in _REFUSED):
            call = str(event.get("toolCallId"))
            self._denied[call] = self._tools.get(call, "a tool")
            yield Event(kind=EventKind.STATUS, text=f"not allowed: {self._denied[call]}")

    def _notices(self, last: dict[str, Any]) -> Iterator[Notice]:
        if self._denied:
            tools = sorted(set(self._denied.values()))
            message = f"Grok was not allowed to use {', '.join(tools)}"
            yield Notice(code="permission_denied", message=message, details={"tools": tools})
        if error := last.get("structuredOutputError"):
            yield Notice(code="structured_output_failed", message=str(error)[:1000])
        if last.get("usage_is_incomplete"):
            yield Notice(code="usage_incomplete", message="Grok could not count all tokens of this turn.")


def _finished(last: dict[str, Any]) -> bool:
    """Whether the last line says that the turn was finished. A reason that is not told says nothing against it."""
    stop = last.get("stopReason")
    return stop is None or as_text(stop).replace("_", "").lower() == "endturn"


def _model(used: Any) -> str | None:
    """The model that wrote most; others are those of sub-agents."""
    models = {name: count for name, count in as_dict(used).items() if isinstance(count, dict)}
    return max(models, key=lambda name: token_count(models[name].get("outputTokens")) or 0, default=None)
