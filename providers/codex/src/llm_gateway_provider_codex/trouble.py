"""Read an error of Codex: a message, or the service's response body as JSON; newer versions add a type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_gateway_provider_kit.lines import as_dict, as_text

_TYPES = ("codexErrorInfo", "codex_error_info", "type", "code", "kind")
_MOST_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An error that Codex reported."""

    message: str
    status: int | None = None  #: the service's HTTP status, if it is separate from the message
    kinds: tuple[str, ...] = ()


def trouble_of(error: Any, before: Trouble | None = None) -> Trouble:
    """Read an `error` event, or the `error` of a failed turn. If it is empty, return the error before it."""
    fields = as_dict(error)
    message = as_text(fields.get("message")) or as_text(error)
    if not message:
        if before is not None:
            return before
        return Trouble(message=json.dumps(error)[:_MOST_CHARS] if error else "", kinds=tuple(_kinds(fields)))
    body = _body(message)
    inner = as_dict(body.get("error")) or body
    code = inner.get("code")
    inner_message = as_text(inner.get("message"))
    if inner_message and code:
        inner_message = f"{inner_message} ({code})"
    status = next((value for value in _statuses(fields, body) if isinstance(value, int)), None)
    return Trouble(message=inner_message or message, status=status, kinds=(*_kinds(fields), *_kinds(inner)))


def _body(message: str) -> dict[str, Any]:
    try:
        return as_dict(json.loads(message))
    except (ValueError, RecursionError):
        return {}


def _kinds(fields: dict[str, Any]) -> Iterator[str]:
    for name in _TYPES:
        value = fields.get(name)
        # A type with details is an object with one key: {"responseTooManyFailedAttempts": {"httpStatusCode": 429}}.
        if isinstance(value, dict):
            yield from (str(key) for key in value)
        elif isinstance(value, str) and value != "error":
            yield value


def _statuses(fields: dict[str, Any], body: dict[str, Any]) -> Iterator[Any]:
    info = fields.get("codexErrorInfo", fields.get("codex_error_info"))
    for details in as_dict(info).values():
        yield as_dict(details).get("httpStatusCode", as_dict(details).get("http_status_code"))
    yield body.get("status")
    yield as_dict(body.get("error")).get("status")
