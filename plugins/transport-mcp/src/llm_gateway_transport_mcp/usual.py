"""Messages in the form that clients usually send. Any other form is left to the SDK. Standard library only."""

from __future__ import annotations

import json

TYPE_CHECKING = False  # without importing `typing`: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    #: Method, id (None: a notification) and parameters.
    Message = tuple[str, int | str | None, dict[str, Any]]

_MEMBERS = {"jsonrpc", "id", "method", "params"}
_CLIENT = {"name", "version", "title", "websiteUrl", "description"}


def parse_usual(line: bytes) -> Message | None:
    """Return a request or notification in its usual form; None for anything else."""
    if b"\\ud" in line.lower():  # half of a character, which the SDK refuses, or an unusual spelling of a whole one
        return None
    try:
        return usual_form(json.loads(line.decode()))
    except (ValueError, RecursionError):
        return None


def usual_form(message: object) -> Message | None:
    """Return a parsed message if it has the usual form; None for anything else."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or message.keys() - _MEMBERS:
        return None
    method, request_id, params = message.get("method"), message.get("id"), message.get("params", {})
    usual = is_plain_id(request_id) or "id" not in message
    return (method, request_id, params) if usual and isinstance(method, str) and isinstance(params, dict) else None


def requests_handshake(params: Mapping[str, Any]) -> str:
    """Return the protocol revision that a handshake in its usual form requests, or an empty text."""
    client, version, capabilities = (params.get(name) for name in ("clientInfo", "protocolVersion", "capabilities"))
    if not isinstance(capabilities, dict) or not isinstance(client, dict) or not isinstance(version, str):
        return ""
    named = {"name", "version"} <= client.keys() <= _CLIENT and all(isinstance(text, str) for text in client.values())
    plain = all(
        isinstance(value, dict) and all(map(_is_plain_value, value.values())) for value in capabilities.values()
    )
    return version if named and plain and params.keys() == {"protocolVersion", "capabilities", "clientInfo"} else ""


def has_usual_meta(params: Mapping[str, Any]) -> bool:
    """Return whether `_meta` is absent or only names a progress token, beside what clients add for themselves."""
    meta = params.get("_meta", {})
    if not isinstance(meta, dict) or any(name.startswith("io.modelcontextprotocol/") for name in meta):
        return False
    return "progressToken" not in meta or is_plain_id(meta["progressToken"])


def is_plain_id(value: object) -> bool:
    """Return whether this is an id that every JSON encoder writes in the same way."""
    return type(value) is int or (type(value) is str and _is_plain(value))


def _is_plain_value(value: object) -> bool:
    return isinstance(value, dict | bool)


def _is_plain(text: str) -> bool:
    """Return whether every JSON encoder writes this text in the same way."""
    return len(text) <= 100 and text.isascii() and text.isprintable() and not set('"\\') & set(text)
