"""Read Codex's JSON lines incrementally, and the facts that it reports only on standard error.

The last message is the answer. An `error` line is a retry unless `turn.failed` repeats it; an `error` item is a warning.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_gateway import (
    EndReason,
    Event,
    EventKind,
    LineSplitter,
    NativeSessionId,
    Notice,
    RunEnd,
    RunFacts,
    Summary,
    Usage,
)
from llm_gateway_provider_codex import usage
from llm_gateway_provider_codex.limits import limits_of
from llm_gateway_provider_codex.schema import fits
from llm_gateway_provider_codex.trouble import Trouble, trouble_of
from llm_gateway_provider_codex.waits import Wait, wait_of
from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_dicts, as_text

_SHOWN_CHARS = 200
_READ_CHARS = 2_000
_REFUSED = re.compile(r"ERROR codex_core::tools::router: error=(.*)")
_NO_SERVER = re.compile(r'MCP server startup failed server_name="([^"]+)" error=(.*)')
#: Output of the sandbox in place of the command's output.
_NO_SANDBOX = re.compile(r"\s*(?:bwrap: .+|thread 'main' .*panicked at linux-sandbox/.*\n?.*)")
_TOOL_ITEMS = ("command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call")


class CodexReader:
    """Reads the output of one run. `schema`: the JSON Schema of the answer, if one was requested."""

    def __init__(self, schema: Mapping[str, Any] | None = None) -> None:
        self._stdout, self._stderr = JsonLines(), LineSplitter()
        self._schema = schema
        self._native_id: str | None = None
        self._texts: list[str] = []
        self._shown: set[str] = set()  # ids of tool items
        self._warnings: list[str] = []
        self._denied: list[str] = []
        self._failed_servers: dict[str, str] = {}
        self._commands = 0  # number of commands that ran
        self._unsandboxed = ""  # why the sandbox did not start a command
        self._turns = 0
        self._total: Mapping[str, Any] | None = None  # set by turn.completed
        self._failure: Trouble | None = None  # set by turn.failed
        self._last_error: Trouble | None = None
        self._retries = 0
        self._wait: Wait | None = None

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Process the next bytes; return the events in them."""
        events: list[Event] = []
        if stream == "stdout":
            for event in self._stdout.feed(data):
                events += self._event(event)
        else:
            for line in self._stderr.feed(data):
                events += self._stderr_line(line)
        return events

    def gap(self, stream: str) -> None:
        """Note that bytes are missing."""
        (self._stdout if stream == "stdout" else self._stderr).gap()

    def finish(self, end: RunEnd) -> Summary:
        """Return the summary of the run."""
        rest = [shown for event in self._stdout.rest() for shown in self._event(event)]
        rest += self._stderr_line(self._stderr.rest())
        if self._failure is None and self._total is None and _ended_by_itself(end):
            self._failure = self._last_error  # no event followed
        if self._failure is None and self._wait is not None and end.reason is EndReason.CANCELED:
            self._failure = Trouble(message=self._wait.error)
        unended = self._total is None and end.exit_code == 0
        no_command_ran = bool(self._unsandboxed) and not self._commands
        failed = self._failure is not None or unended or no_command_ran
        tokens, model = self._tokens(end)
        text = self._texts[-1] if self._texts else ""
        return Summary(
            text=text,
            native_id=NativeSessionId(self._native_id) if self._native_id else None,
            model=model,
            usage=tokens,
            run=RunFacts(retries=self._retries, limits=limits_of(end)),
            failed=failed,
            failure=self._facts(),
            structured=self._structured(text) if not failed else None,
            notices=tuple(self._notices()),
        )

    def _tokens(self, end: RunEnd) -> tuple[Usage, str | None]:
        if end.artifacts:  # the conversation was resumed
            return usage.of_record(end, self._native_id)
        return usage.as_usage(self._total or {}), None

    def _event(self, event: dict[str, Any]) -> Iterator[Event]:
        kind, item = event.get("type"), event.get("item")
        if kind == "thread.started":
            yield from self._thread_started(as_text(event.get("thread_id")))
        elif kind == "turn.started":
            self._turns += 1
        elif kind == "turn.completed":
            self._total = as_dict(event.get("usage"))
        elif kind == "turn.failed":
            self._failure = trouble_of(event.get("error"), self._last_error)
        elif kind == "error":
            trouble = trouble_of(event)
            if trouble.message.startswith("Reconnecting"):
                self._retries += 1
            else:
                self._last_error = trouble
            yield Event(kind=EventKind.STATUS, text=_short(trouble.message))
        elif isinstance(kind, str) and kind.startswith("item.") and isinstance(item, dict):
            yield from self._item(item, done=kind == "item.completed")

    def _thread_started(self, native_id: str) -> Iterator[Event]:
        if native_id:
            self._native_id = native_id
            yield Event(kind=EventKind.SESSION, text=native_id)

    def _item(self, item: dict[str, Any], *, done: bool) -> Iterator[Event]:
        kind = item.get("type")
        if kind == "agent_message" and done:
            self._texts.append(as_text(item.get("text")))
            yield Event(kind=EventKind.TEXT, text=self._texts[-1])
        elif kind == "error" and done:
            self._warnings.append(as_text(item.get("message")))
            yield Event(kind=EventKind.STATUS, text=_short(self._warnings[-1]))
        elif kind in _TOOL_ITEMS:
            name = str(item.get("id"))
            if name not in self._shown:
                self._shown.add(name)
                yield Event(kind=EventKind.TOOL, text=_described(item))
            if done:
                self._tool_ended(item)

    def _tool_ended(self, item: dict[str, Any]) -> None:
        if item.get("type") == "command_execution":
            no_sandbox = _NO_SANDBOX.match(as_text(item.get("aggregated_output")))
            if no_sandbox and item.get("exit_code") != 0:
                self._unsandboxed = _short(no_sandbox[0])
            elif item.get("status") != "declined":
                self._commands += 1
        why = as_text(as_dict(item.get("error")).get("message"))
        if item.get("status") == "declined" or "requires approval" in why:
            self._denied.append(_described(item))

    def _stderr_line(self, line: bytes) -> Iterator[Event]:
        """Process a line of standard error: only there Codex reports refusals and servers that did not start."""
        text = line.decode(errors="replace")
        refused, no_server, wait = _REFUSED.search(text), _NO_SERVER.search(text), wait_of(text)
        if wait:
            self._wait = wait
            shown = f"waits until {wait.until:%Y-%m-%d %H:%M} UTC: {wait.error}"
            yield Event(kind=EventKind.STATUS, text=_short(shown), waiting_until=wait.until)
        elif refused:
            self._denied.append(_short(refused[1]))
            yield Event(kind=EventKind.STATUS, text=_short(f"not allowed: {refused[1]}"))
        elif no_server:
            self._failed_servers[no_server[1]] = _short(no_server[2])

    def _notices(self) -> Iterator[Notice]:
        for message in dict.fromkeys(self._warnings):
            yield Notice(code="provider_warning", message=message)
        if self._denied:
            tools = list(dict.fromkeys(self._denied))
            yield Notice(code="permission_denied", message=f"Codex refused: {tools[0]}", details={"tools": tools})
        if self._failed_servers:
            message = f"these MCP servers did not start: {', '.join(sorted(self._failed_servers))}"
            yield Notice(code="mcp_server_failed", message=message, details={"servers": dict(self._failed_servers)})
        if self._unsandboxed:
            yield Notice(code="sandbox_unavailable", message=f"no command can be run: {self._unsandboxed}")

    def _facts(self) -> dict[str, Any]:
        failure = self._failure
        return {
            "message": failure.message if failure else "",
            "status": failure.status if failure else None,
            "kinds": list(failure.kinds) if failure else [],
            "ended": failure is not None or self._total is not None,
            "started": self._native_id is not None,
            "turns": self._turns,
            "warnings": " / ".join(self._warnings),
            "sandbox": self._unsandboxed if not self._commands else "",
        }

    def _structured(self, text: str) -> Any:
        if self._schema is None:
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return value if fits(value, self._schema) else None  # Codex itself does not check it


def _ended_by_itself(end: RunEnd) -> bool:
    return end.exit_code is not None and end.killed_by is None


def _described(item: dict[str, Any]) -> str:
    kind = item.get("type")
    if kind == "command_execution":
        command = as_text(item.get("command"))
        return _short(_unwrapped(command[:_READ_CHARS]))
    if kind == "file_change":
        changes = item.get("changes")
        parts = [f"{change.get('kind')} {change.get('path')}" for change in as_dicts(changes)]
        return _short(", ".join(parts) or "change files")
    if kind == "mcp_tool_call":
        return _short(f"mcp__{item.get('server')}__{item.get('tool')}")
    return _short(f"{kind} {as_text(item.get('query'))}")


def _unwrapped(command: str) -> str:
    """Return the command without the shell that runs it."""
    try:
        parts = shlex.split(command)
    except ValueError:  # a quoted argument was cut
        return command
    return parts[2] if len(parts) == 3 and parts[1] in ("-c", "-lc") else command


def _short(text: str) -> str:
    return " ".join(text.split())[:_SHOWN_CHARS]
