"""Read Grok's streaming-json incrementally.

The last line decides: `end`, whose `stopReason` reports whether the turn was finished (exit code 0 does not), or `error`. Only
`end` contains the session's id. Without it, the id is taken from the path of the artifact (see argv.py), if Grok has printed
an event that shows that the session exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from llm_gateway import Event, EventKind, NativeSessionId, Notice, RunEnd, Summary
from llm_gateway_provider_grok.lines import TextLines
from llm_gateway_provider_grok.usage import RunUsage
from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_text, token_count

_SHOWN_CHARS = 200
_REFUSED = ("User cancelled the execution", "was not executed: Denied by permission policy", "Auto mode blocked")


class GrokReader:
    """Reads the output of one run."""

    def __init__(self) -> None:
        self._lines = JsonLines()
        self._texts: list[list[str]] = [[]]  # the pieces of each message; tool calls separate messages
        self._line_buffer = TextLines()
        self._tools: dict[str, str] = {}  # call id -> tool
        self._denied: dict[str, str] = {}
        self._began = False  # the session exists
        self._capped = False
        self._end: dict[str, Any] | None = None
        self._error: dict[str, Any] | None = None
        self._usage = RunUsage()

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Process the next bytes; return the events in them."""
        events: list[Event] = []
        if stream == "stdout":
            for event in self._lines.feed(data):
                events += self._event(event)
        return events

    def gap(self, stream: str) -> None:
        """Note that bytes are missing."""
        if stream == "stdout":
            self._lines.gap()

    def finish(self, end: RunEnd) -> Summary:
        """Return the summary of the run."""
        for event in self._lines.rest():
            for _ in self._event(event):
                pass
        last = self._end or {}
        finished = self._end is not None and _finished(last)
        # A finished turn is an answer, even if errors occurred before or after it.
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
        messages = [as_text(error.get(name)) for name in ("message", "error")]
        kinds = [last.get("stopReason"), *(error.get(name) for name in ("error_kind", "code", "kind"))]
        message = ""
        if self._error is not None:
            message = next(filter(None, messages), "unknown")
        return {
            "message": message,
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
            yield from (Event(kind=EventKind.TEXT, text=line) for line in self._line_buffer.feed(text))
        elif kind in ("tool_call", "end", "error"):
            rest = self._line_buffer.rest()
            if rest:
                yield Event(kind=EventKind.TEXT, text=rest)
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
            native_id = as_text(event.get("sessionId"))
            if native_id:
                yield Event(kind=EventKind.SESSION, text=native_id)

    def _tool(self, event: dict[str, Any]) -> Event:
        if any(self._texts[-1]):
            self._texts.append([])
        name = as_text(event.get("toolName")) or as_text(event.get("title")) or "a tool"
        arguments = as_dict(event.get("rawInput"))
        if name == "use_tool" and as_text(arguments.get("tool_name")):
            name = arguments["tool_name"]
        self._tools[str(event.get("toolCallId"))] = name
        hints = ("command", "file_path", "target_file", "pattern", "path", "url", "query", "description")
        hint = next((str(arguments[hint]) for hint in hints if arguments.get(hint)), "")
        return Event(kind=EventKind.TOOL, text=" ".join(f"{name} {hint}".split())[:_SHOWN_CHARS])

    def _update(self, event: dict[str, Any]) -> Iterator[Event]:
        if event.get("status") != "failed":
            return
        content = json.dumps(event.get("content"), ensure_ascii=False)
        if any(refusal in content for refusal in _REFUSED):
            call = str(event.get("toolCallId"))
            self._denied[call] = self._tools.get(call, "a tool")
            yield Event(kind=EventKind.STATUS, text=f"not allowed: {self._denied[call]}")

    def _notices(self, last: dict[str, Any]) -> Iterator[Notice]:
        if self._denied:
            tools = sorted(set(self._denied.values()))
            message = f"Grok was not allowed to use {', '.join(tools)}"
            yield Notice(code="permission_denied", message=message, details={"tools": tools})
        error = last.get("structuredOutputError")
        if error:
            yield Notice(code="structured_output_failed", message=str(error)[:1000])
        if last.get("usage_is_incomplete"):
            yield Notice(code="usage_incomplete", message="Grok could not count all tokens of this turn.")


def _finished(last: dict[str, Any]) -> bool:
    """Whether the last line reports a finished turn. Without a `stopReason`, the turn counts as finished."""
    stop = last.get("stopReason")
    return stop is None or as_text(stop).replace("_", "").lower() == "endturn"


def _model(used: Any) -> str | None:
    """Return the model with the most output tokens; others belong to sub-agents."""
    models = {name: count for name, count in as_dict(used).items() if isinstance(count, dict)}
    return max(models, key=lambda name: token_count(models[name].get("outputTokens")) or 0, default=None)
