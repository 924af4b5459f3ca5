"""Read Vibe's entries, one a line, incrementally; then the export, the journal and the session's metadata after the run.

Vibe prints an entry when it is complete. Only the export has the tokens, the cost, the model and the error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_gateway import Event, EventKind, LineSplitter, NativeSessionId, Notice, Request, RunEnd, Summary, Usage
from llm_gateway_provider_kit.lines import JsonLines, as_dicts
from llm_gateway_provider_mistral import argv, usage

_SHOWN_CHARS = 200
_FINISHED = "finished"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_UNAVAILABLE = re.compile(r"Model '.*' is not available|Active model '.*' is excluded by allowed_models")
_SERVER_FAILED = re.compile(r"MCP server '([^']*)' failed to connect: (.*)")


class MistralReader:
    """Reads the output of one run."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._lines = JsonLines()
        self._stderr = LineSplitter()
        self._native_id: str | None = None
        self._turn: str | None = None
        self._texts: list[str] = []
        self._cut = ""  # the text of an incomplete answer
        self._denied: set[str] = set()
        self._attached: list[str] = []
        self._stderr_warnings: list[str] = []

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Process the next bytes; return the events in them."""
        if stream == "stdout":
            return [event for entry in self._lines.feed(data) for event in self._entry(entry)]
        return [event for line in self._stderr.feed(data) for event in self._stderr_line(line)]

    def gap(self, stream: str) -> None:
        """Note that bytes are missing."""
        (self._lines if stream == "stdout" else self._stderr).gap()

    def finish(self, end: RunEnd) -> Summary:
        """Return the summary of the run."""
        for entry in self._lines.rest():
            for _ in self._entry(entry):
                pass
        for _ in self._stderr_line(self._stderr.rest()):
            pass
        export, meta = (_object(end.artifacts.get(path, b"")) for path in (argv.EXPORT, argv.META))
        config = _part(meta, "config")
        alias, model = _text(config.get("active_model")), _text(config.get("model_name"))
        counted = usage.exported(export)
        journal = usage.journalled(end.artifacts.get(argv.JOURNAL, b""), self._turn)
        tokens = journal or counted
        warnings = [*_warnings(export), *self._stderr_warnings]
        unavailable = [warning for warning in warnings if _UNAVAILABLE.search(warning)]
        # If the caller passed no model, the alias is from the user's configuration: that is only a warning.
        wrong_model = unavailable[0] if unavailable and self._request.model is not None else ""
        error = _part(export, "error")
        outcome = _text(export.get("outcome"))
        # The export decides, not the exit code.
        failure_exported = outcome != _FINISHED and bool(error or (outcome and not self._texts))
        failed = bool(wrong_model) or failure_exported or (end.exit_code == 0 and self._native_id is None)
        ended_well = end.exit_code == 0 and not failed
        texts = self._texts[-1:] if ended_well else [*self._texts, self._cut]
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
                *_others([warning for warning in warnings if warning != wrong_model]),
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
            # After a retry the model writes the answer again from the start.
            self._cut = "" if outcome.get("cause") == "retry" else text
        elif text:
            self._texts.append(text)
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

    def _stderr_line(self, line: bytes) -> Iterator[Event]:
        text = _ESCAPES.sub("", line.decode(errors="replace")).strip()
        if _UNAVAILABLE.search(text) or _SERVER_FAILED.search(text):
            self._stderr_warnings.append(text)
            yield Event(kind=EventKind.STATUS, text=_shown(text))

    def _happened(self, warnings: list[str]) -> Iterator[Notice]:
        if self._denied:
            tools = sorted(self._denied)
            message = f"Mistral Vibe was not allowed to use {', '.join(tools)}"
            yield Notice(code="permission_denied", message=message, details={"tools": tools})
        matches = [_SERVER_FAILED.search(warning) for warning in warnings]
        servers = {match[1]: match[2] for match in matches if match}
        if servers:
            message = f"these MCP servers did not start: {', '.join(sorted(servers))}"
            yield Notice(code="mcp_server_failed", message=message, details={"servers": servers})
        if self._attached:
            message = f"Mistral Vibe attached the files that the prompt names with an @: {', '.join(self._attached)}"
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
    for warning in dict.fromkeys(warnings):
        if not _SERVER_FAILED.search(warning):
            yield Notice(code="provider_warning", message=warning)


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
    messages = [_text(warning.get("message")) for warning in as_dicts(export.get("warnings"))]
    return [message for message in messages if message]


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
    return [part for part in as_dicts(entry.get("content")) if part.get("type") == kind]


def _shown(text: str) -> str:
    return " ".join(text.split())[:_SHOWN_CHARS]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
