"""What Codex says of an error: words, or the service's whole body as JSON, and in newer versions a type beside them."""

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
    """An error that Codex told."""

    message: str
    status: int | None = None  #: the service's HTTP status, where it stands beside the words
    kinds: tuple[str, ...] = ()


def trouble_of(error: Any, before: Trouble | None = None) -> Trouble:
    """Read an `error` event, or the `error` of a failed turn. What it leaves out, the error before it said."""
    told = as_dict(error)
    message = as_text(told.get("message")) or as_text(error)
    if not message:
        if before is not None:
            return before
        return Trouble(message=json.dumps(error)[:_MOST_CHARS] if error else "", kinds=tuple(_kinds(told)))
    body = _body(message)
    inner = as_dict(body.get("error")) or body
    code = inner.get("code")
    words = as_text(inner.get("message"))
    if words and code:
        words = f"{words} ({code})"
    status = next((value for value in _statuses(told, body) if isinstance(value, int)), None)
    return Trouble(message=words or message, status=status, kinds=(*_kinds(told), *_kinds(inner)))


def _body(message: str) -> dict[str, Any]:
    try:
        return as_dict(json.loads(message))
    except (ValueError, RecursionError):
        return {}


def _kinds(told: dict[str, Any]) -> Iterator[str]:
    for name in _TYPES:
        value = told.get(name)
        # A type that carries facts is an object with one key: {"responseTooManyFailedAttempts": {"httpStatusCode": 429}}.
        if isinstance(value, dict):
            yield from (str(key) for key in value)
        elif isinstance(value, str) and value != "error":
            yield value


def _statuses(told: dict[str, Any], body: dict[str, Any]) -> Iterator[Any]:
    info = told.get("codexErrorInfo", told.get("codex_error_info"))
    for facts in as_dict(info).values():
        yield as_dict(facts).get("httpStatusCode", as_dict(facts).get("http_status_code"))
    yield body.get("status")
    yield as_dict(body.get("error")).get("status")
