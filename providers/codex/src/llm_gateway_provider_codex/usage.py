"""Tokens of one turn. Codex prints totals of the conversation, including its earlier runs.

For a new conversation both are the same. For a resumed one, the tokens of the turn are in the conversation's record, one entry
for each answer of the model, even if the turn failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from io import BytesIO
from typing import Any

from llm_gateway import RunEnd, Usage
from llm_gateway_provider_kit.lines import token_count

_INPUT, _READ, _WRITTEN = "input_tokens", "cached_input_tokens", "cache_write_input_tokens"
_OUTPUT, _REASONING = "output_tokens", "reasoning_output_tokens"
_NAMES = (_INPUT, _READ, _WRITTEN, _OUTPUT, _REASONING)


def as_usage(counts: Mapping[str, Any]) -> Usage:
    """Convert Codex's counts. It includes cached tokens in the input, and prints zeros if the service reported nothing."""
    count = {name: counted(counts.get(name)) for name in _NAMES}
    if not any(count.values()):
        return Usage()
    return Usage(
        input_tokens=max(0, count[_INPUT] - count[_READ] - count[_WRITTEN]),
        output_tokens=count[_OUTPUT],
        cache_read_tokens=count[_READ],
        cache_creation_tokens=count[_WRITTEN],
        reasoning_tokens=count[_REASONING],
    )


def of_record(end: RunEnd, native_id: str | None) -> tuple[Usage, str | None]:
    """Return tokens and model of this run from the conversation's record; unknown if it has no entry of this run."""
    by_response: dict[str, Mapping[str, Any]] = {}
    model: str | None = None
    for entry in _entries(end):
        payload = entry.get("payload")
        if not isinstance(payload, dict) or not _since(entry.get("timestamp"), end.started_at):
            continue
        if entry.get("type") == "turn_context":
            model = payload["model"] if isinstance(payload.get("model"), str) else model
        elif entry.get("type") == "token_usage_record" and payload.get("thread_id") == native_id:
            usage = payload.get("usage")
            by_response[str(payload.get("response_id"))] = usage if isinstance(usage, dict) else {}
    total = {name: sum(counted(usage.get(name)) for usage in by_response.values()) for name in _NAMES}
    return as_usage(total), model


def counted(value: Any) -> int:
    """Return a number of tokens; 0 for any other value."""
    return token_count(value) or 0


def _entries(end: RunEnd) -> Iterator[dict[str, Any]]:
    """Yield the entries with tokens and models. The other lines hold the text of the conversation."""
    for content in end.artifacts.values():
        for line in BytesIO(content):  # line by line: a record can be long
            if b'"token_usage_record"' in line or b'"turn_context"' in line:
                try:
                    entry = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(entry, dict):
                    yield entry


def _since(timestamp: Any, start: datetime | None) -> bool:
    if start is None or not isinstance(timestamp, str):
        return False
    try:
        time = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return time >= start
