"""Vibe's entries, one a line, read piece by piece; then the export, the journal and the session's facts that a run leaves.

An entry is printed when it is complete. Tokens, cost, the model and what went wrong stand only in the export.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_gateway import Event, EventKind, LineSplitter, NativeSessionId, Notice, Request, RunEnd, Summary, Usage
from llm_gateway_provider_kit.lines import JsonLines
from llm_gateway_provider_mistral import argv, usage

_SHOWN_CHARS = 200
_FINISHED = "finished"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_UNAVAILABLE = re.compile(r"Model '.*' is not available|Active model '.*' is excluded by allowed_models")
_DEAD_SERVER = re.compile(r"MCP server '([^']*)' failed to connect: (.*)")


class MistralReader:
    """Reads one run's output."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._lines = JsonLines()
        self._asides = LineSplitter()
        self._native_id: str | None = None
        self._turn: str | None = None
        self._said: list[str] = []
        self._cut = ""  # an answer that was broken off
        self._denied: set[str] = set()
        self._attached: list[str] = []
        self._warned: list[str] = []  # by stderr

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Take the next bytes; give what they tell."""
        if stream == "stdout":
            return [event for entry in self._lines.feed(data) for event in self._entry(entry)]
        return [event for line in self._asides.feed(data) for event in self._told(line)]

    def gap(self, stream: str) -> None:
        """Bytes are missing."""
        (self._lines if stream == "stdout" else self._asides).gap()

    def finish(self, end: RunEnd) -> Summary:
        """Sum it up."""
        for entry in self._lines.rest():
            for _ in self._entry(entry):
                pass
        for _ in self._told(self._asides.rest()):
            pass
        export, meta = (_object(end.artifacts.get(path, b"")) for path in (argv.EXPORT, argv.META))
        config = _part(meta, "config")
        alias, model = _text(config.get("active_model")), _text(config.get("model_name"))
        counted = usage.exported(export)
        journal = usage.journalled(end.artifacts.get(argv.JOURNAL, b""), self._turn)
        tokens = journal or counted
        warnings = [*_warnings(export), *self._warned]
        unavailable = [words for words in warnings if _UNAVAILABLE.search(words)]
        # Without a model of the caller's own it is the user's configuration that is out of date.
        wrong_model = unavailable[0] if unavailable and self._request.model is not None else ""
        error = _part(export, "error")
        outcome = _text(export.get("outcome"))
        told = outcome != _FINISHED and bool(error or (outcome and not self._said))  # whatever the exit code
        failed = bool(wrong_model) or told or (end.exit_code == 0 and self._native_id is None)
        ended_well = end.exit_code == 0 and not failed
        texts = self._said[-1:] if ended_well else [*self._said, self._cut]
        return Summary(
            text="\n\n".join(filter(None, texts)),
            native_id=self._id(export),
            model=model or None,
            usage=tokens.as_usage() if tokens else Usage(),
            cost=usage.cost(export, counted, tokens, alias),
            failed=failed,
            failure=_facts(export, wrong_model, started=self._native_id is not None),
            notices=(
                *self._happened(warnings),
                *self._answered_by(alias, wrong_model),
                *self._counted(export, uncounted=counted is not None and journal is None),
                *_others([words for words in warnings if words != wrong_model]),
            ),
        )

    def _id(self, export: Mapping[str, Any]) -> NativeSessionId | None:
        native_id = self._native_id or _text(export.get("session_id"))
        return NativeSessionId(native_id) if native_id else None

    def _entry(self, entry: Mapping[str, Any]) -> Iterator[Event]:
        native_id = _text(entry.get("sessionId"))
        if native_id and self._native_id is None:
            self._native_id = native_id
            yield Event(kind=EventKind.SESSION, text=native_id)
        kind = entry.get("type")
        if kind == "message" and entry.get("role") == "user":
            self._turn = _text(entry.get("turnId")) or self._turn
            self._attached += [_text(_part(part, "resource").get("uri")) for part in _parts(entry, "resource")]
        elif kind == "message":
            yield from self._answer(entry)
        elif kind == "effect":
            yield from self._effect(entry)
        elif kind == "checkpoint":
            yield Event(kind=EventKind.STATUS, text=_shown(f"{entry.get('kind')}: {entry.get('message')}"))

    def _answer(self, entry: Mapping[str, Any]) -> Iterator[Event]:
        text = "".join(_text(part.get("text")) for part in _parts(entry, "text"))
        outcome = _part(entry, "outcome")
        if outcome.get("type") == "discarded":
            # Of a retry: said again, from the start.
            self._cut = "" if outcome.get("cause") == "retry" else text
        elif text:
            self._said.append(text)
            self._cut = ""
            yield Event(kind=EventKind.TEXT, text=text)

    def _effect(self, entry: Mapping[str, Any]) -> Iterator[Event]:
        detail, state = _part(entry, "detail"), _part(entry, "state")
        name = _text(detail.get("toolName")) or _text(entry.get("title"))
        summary = _text(_part(detail, "display").get("message"))
        yield Event(kind=EventKind.TOOL, text=_shown(name if summary == name else f"{name} {summary}"))
        if _part(state, "error").get("code") == "tool_denied":
            self._denied.add(name)
            yield Event(kind=EventKind.STATUS, text=f"not allowed: {name}")

    def _told(self, line: bytes) -> Iterator[Event]:
        words = _ESCAPES.sub("", line.decode(errors="replace")).strip()
        if _UNAVAILABLE.search(words) or _DEAD_SERVER.search(words):
            self._warned.append(words)
            yield Event(kind=EventKind.STATUS, text=_shown(words))

    def _happened(self, warnings: list[str]) -> Iterator[Notice]:
        if self._denied:
            tools = sorted(self._denied)
            message = f"Mistral Vibe was not allowed to use {', '.join(tools)}"
            yield Notice(code="permission_denied", message=message, details={"tools": tools})
        dead = {match[1]: match[2] for words in warnings if (match := _DEAD_SERVER.search(words))}
        if dead:
            message = f"these MCP servers did not start: {', '.join(sorted(dead))}"
            yield Notice(code="mcp_server_failed", message=message, details={"servers": dead})
        if self._attached:
            message = f"Mistral Vibe attached the files that the prompt mentions with an @: {', '.join(self._attached)}"
            yield Notice(code="files_attached", message=message, details={"files": list(self._attached)})

    def _answered_by(self, alias: str, wrong_model: str) -> Iterator[Notice]:
        model = self._request.model
        if model and alias and model != alias and not wrong_model:
            message = f"the model that answered is {alias}, not {model}"
            yield Notice(code="other_model", message=message)

    def _counted(self, export: Mapping[str, Any], *, uncounted: bool) -> Iterator[Notice]:
        if uncounted:
            message = "the tokens of some calls may be missing: Vibe leaves out those that used run_typescript"
            yield Notice(code="usage_incomplete", message=message)
        if self._request.max_budget_usd is not None and usage.exported(export) and not export.get("cost_usd"):
            message = "maxBudgetUsd had no effect: this model has no prices in Vibe's configuration"
            yield Notice(code="budget_not_enforced", message=message)


def _others(warnings: list[str]) -> Iterator[Notice]:
    for words in dict.fromkeys(warnings):
        if not _DEAD_SERVER.search(words):
            yield Notice(code="provider_warning", message=words)


def _facts(export: Mapping[str, Any], wrong_model: str, *, started: bool) -> dict[str, Any]:
    error = _part(export, "error")
    outcome = _text(export.get("outcome"))
    message = wrong_model or _text(error.get("message")) or _text(export.get("error"))
    return {
        "message": message,
        "kinds": [kind for kind in (outcome, _text(error.get("code")), _text(error.get("type"))) if kind],
        "status": error.get("status"),
        "wrong_model": wrong_model,
        "ended": bool(outcome or message),
        "started": started,
    }


def _warnings(export: Mapping[str, Any]) -> list[str]:
    told = export.get("warnings")
    each = [warning for warning in told if isinstance(warning, Mapping)] if isinstance(told, list) else []
    return [words for warning in each if (words := _text(warning.get("message")))]


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, Mapping) else {}


def _parts(entry: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    content = entry.get("content")
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    return [part for part in parts if part.get("type") == kind]


def _shown(text: str) -> str:
    return " ".join(text.split())[:_SHOWN_CHARS]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
