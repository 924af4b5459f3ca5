"""Read Claude Code's stream-json incrementally.

One run can print several results (when a background task ends, another turn begins), and several lines for one answer of the
model. The answer is the text of all results; the usage is the sum of the tokens that each result adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from llm_gateway import Event, EventKind, NativeSessionId, Notice, RunEnd, RunFacts, Summary
from llm_gateway_provider_claude.limits import LimitWindows
from llm_gateway_provider_claude.usage import TurnUsage
from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_dicts, as_text

_SHOWN_CHARS = 200
#: Output of tools, and pieces of tool calls and thoughts: most lines of a run, and the reader needs none of them.
_IRRELEVANT = re.compile(
    rb'\{"type":"(?:user"|stream_event","event":\{"type":"content_block_delta","index":\d{1,9},"delta":\{"type":"(?!text_delta"))'
)
#: Fields of a result that hold the kind of its failure.
_KINDS = ("subtype", "terminal_reason", "api_error_type", "api_error", "stop_reason")
#: Prefix of entries in `errors` that are meant for the developers of Claude Code.
_INTERNAL = "[ede_diagnostic]"


class ClaudeReader:
    """Reads the output of one run."""

    def __init__(self) -> None:
        self._lines = JsonLines(_IRRELEVANT)
        self._started = False  # the conversation was started or resumed
        self._limits = LimitWindows()
        self._native_id: str | None = None
        self._model: str | None = None  # at the start of the run
        self._answer_model: str | None = None  # of the last answer
        self._messages: list[tuple[str, list[str]]] = []  # since the last result: id of a message, and its texts
        self._pieces: list[str] = []  # of an incomplete message
        self._texts: list[str] = []  # of the results
        self._results = 0
        self._last: dict[str, Any] = {}  # the last result
        self._error = ""  # the category of the last failed answer
        self._structured: Any = None
        self._denied: dict[str, str] = {}  # tool use id -> tool
        self._failed_servers: dict[str, str] = {}
        self._usage = TurnUsage()
        self._version: str | None = None
        self._retries = 0
        self._first_s: float | None = None
        self._answers: set[str] = set()  # ids of the model's messages, one for each request
        self._sub_agents = False

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
        failed = _failed(self._last) or (not self._results and end.exit_code == 0)
        texts = self._texts
        if failed or not self._results:  # keep the text before the failure, but not the text of the failure itself
            failure = as_text(self._last.get("result"))
            messages = ["".join(blocks) for _, blocks in self._messages]
            texts = [*texts, *(text for text in messages if text != failure), "".join(self._pieces)]
        notices = []
        if self._denied:
            tools = sorted(set(self._denied.values()))
            message = f"Claude Code was not allowed to use {', '.join(tools)}"
            notices.append(Notice(code="permission_denied", message=message, details={"tools": tools}))
        if self._failed_servers:
            message = f"these MCP servers did not start: {', '.join(sorted(self._failed_servers))}"
            notices.append(
                Notice(code="mcp_server_failed", message=message, details={"servers": dict(self._failed_servers)})
            )
        return Summary(
            text="\n\n".join(text for text in texts if text),
            native_id=NativeSessionId(self._native_id) if self._native_id else None,
            model=self._answer_model or self._model,
            usage=self._usage.tokens(),
            cost=self._usage.cost(),
            run=RunFacts(
                cli_version=self._version,
                retries=self._retries,
                first_event_s=self._first_s,
                requests=None if self._sub_agents else len(self._answers) or None,
                cache_ttl_s=self._usage.cache_ttl_s,
                limits=self._limits.all(),
            ),
            failed=failed,
            failure=self._facts() if failed else {},
            structured=self._structured,
            notices=tuple(notices),
        )

    def _event(self, event: dict[str, Any]) -> Iterator[Event]:
        kind = event.get("type")
        if kind == "assistant":
            yield from self._assistant(event)
        elif kind == "system":
            yield from self._system(event)
        elif kind == "result":
            self._result(event)
            yield from self._learn_session(event)
        elif kind == "stream_event":
            self._partial(event)
        elif kind == "rate_limit_event":
            self._limits.take(event.get("rate_limit_info"))

    def _system(self, event: dict[str, Any]) -> Iterator[Event]:
        subtype = event.get("subtype")
        if subtype == "init":
            self._started = True
            self._model = as_text(event.get("model")) or self._model
            self._version = as_text(event.get("claude_code_version")) or self._version
            for server in as_dicts(event.get("mcp_servers")):
                if server.get("status") not in ("connected", "pending"):
                    self._failed_servers[str(server.get("name"))] = str(server.get("status"))
            yield from self._learn_session(event)
        elif subtype == "api_retry":
            self._retries += 1
            why = as_text(event.get("error")) or "an error"
            status = f" ({event['error_status']})" if event.get("error_status") else ""
            attempt = f"{event.get('attempt')} of {event.get('max_retries')}"
            yield Event(kind=EventKind.STATUS, text=f"retry {attempt} after {why}{status}")
        elif subtype == "model_fallback":
            fallback = f"{event.get('original_model')} -> {event.get('fallback_model')}"
            yield Event(kind=EventKind.STATUS, text=f"model {fallback} ({event.get('trigger')})")
        elif subtype == "permission_denied":
            self._denied[str(event.get("tool_use_id"))] = str(event.get("tool_name"))
            yield Event(kind=EventKind.STATUS, text=f"not allowed: {event.get('tool_name')}")

    def _assistant(self, event: dict[str, Any]) -> Iterator[Event]:
        main_agent = event.get("parent_tool_use_id") is None  # otherwise the message is from a sub-agent
        if event.get("error") or event.get("is_api_error_message"):
            if main_agent:
                self._error = as_text(event.get("error")) or "unknown"
            return
        message = event.get("message")
        if not isinstance(message, dict):
            return
        self._started = True
        self._answers.add(as_text(message.get("id")))
        self._sub_agents = self._sub_agents or not main_agent
        model = as_text(message.get("model"))
        if main_agent and model and not model.startswith("<"):
            self._answer_model, self._error = model, ""
        for block in as_dicts(message.get("content")):
            text = as_text(block.get("text"))
            if block.get("type") == "text" and text and main_agent:
                self._add_text(as_text(message.get("id")), text)
                yield Event(kind=EventKind.TEXT, text=text)
            elif block.get("type") == "tool_use":
                yield Event(kind=EventKind.TOOL, text=_described(block))

    def _add_text(self, message_id: str, text: str) -> None:
        """Store a block of text. Several blocks of one message form one text."""
        self._pieces.clear()
        if message_id and self._messages and self._messages[-1][0] == message_id:
            self._messages[-1][1].append(text)
        else:
            self._messages.append((message_id, [text]))

    def _partial(self, event: dict[str, Any]) -> None:
        """Store a piece of a message. The complete message follows, unless the run ends before."""
        delta = as_dict(as_dict(event.get("event")).get("delta"))
        if event.get("parent_tool_use_id") is None and delta.get("type") == "text_delta":
            self._pieces.append(as_text(delta.get("text")))

    def _result(self, event: dict[str, Any]) -> None:
        self._results += 1
        self._last = event
        first_ms = event.get("ttft_ms")
        if self._first_s is None and isinstance(first_ms, (int, float)) and first_ms >= 0:
            self._first_s = first_ms / 1000
        if not _failed(event):
            text = self._answer(as_text(event.get("result")))
            # After a background task has ended, a later result can repeat the text.
            if text and text not in self._texts[-1:]:
                self._texts.append(text)
            self._messages.clear()
        if event.get("structured_output") is not None:  # a later result without the field keeps the earlier value
            self._structured = event["structured_output"]
        for denial in as_dicts(event.get("permission_denials")):
            self._denied[str(denial.get("tool_use_id"))] = str(denial.get("tool_name"))
        self._usage.add(event)

    def _answer(self, text: str) -> str:
        """Return the text of a result. If it is empty or only a part of the last message, return that message."""
        last = "".join(self._messages[-1][1]) if self._messages else ""
        fragment = len(text) < len(last.rstrip()) and text in last
        return last if fragment or not text.strip() else text

    def _learn_session(self, event: dict[str, Any]) -> Iterator[Event]:
        native_id = as_text(event.get("session_id"))
        if native_id and native_id != self._native_id:
            self._native_id = native_id
            yield Event(kind=EventKind.SESSION, text=native_id)

    def _facts(self) -> dict[str, Any]:
        last = self._last
        listed = last.get("errors")
        errors = listed if isinstance(listed, list) else []
        texts = [as_text(last.get("result")), *(str(error) for error in errors if error)]
        messages = [text for text in texts if text and not text.startswith(_INTERNAL)]
        kinds = [self._error, *(as_text(last.get(name)) for name in _KINDS)]
        message, status = " / ".join(messages), last.get("api_error_status")
        limited = self._error == "rate_limit" or status == 429 or "limit" in message.lower()
        return {
            "message": message,
            "status": status,
            "kinds": [kind for kind in kinds if kind],
            "reset_at": self._limits.reset_at() if limited else None,
            "ended": self._results > 0,
            "started": self._started,
        }


def _failed(result: dict[str, Any]) -> bool:
    return bool(result.get("is_error")) or as_text(result.get("subtype")).startswith("error")


def _described(block: dict[str, Any]) -> str:
    arguments = as_dict(block.get("input"))
    names = ("command", "file_path", "pattern", "path", "url", "query", "description")
    hint = next((str(arguments[name]) for name in names if arguments.get(name)), "")
    return " ".join(f"{block.get('name')} {hint}".split())[:_SHOWN_CHARS]
