"""Tokens of one turn. What Codex prints are totals of the whole conversation, of all its earlier runs too.

For a conversation that begins with this run the two are the same. For one that goes on, the turn's own tokens stand in the
conversation's record, one entry for each answer of the model; there they stand even when the turn failed.
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
    """Codex counts cached tokens as input too, and tells zeros where the service told nothing."""
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
    """The tokens and the model of this run, from the conversation's record; unknown where it has no entry of this run."""
    told: dict[str, Mapping[str, Any]] = {}
    model: str | None = None
    for entry in _entries(end):
        payload = entry.get("payload")
        if not isinstance(payload, dict) or not _since(entry.get("timestamp"), end.started_at):
            continue
        if entry.get("type") == "turn_context":
            model = payload["model"] if isinstance(payload.get("model"), str) else model
        elif entry.get("type") == "token_usage_record" and payload.get("thread_id") == native_id:
            usage = payload.get("usage")
            told[str(payload.get("response_id"))] = usage if isinstance(usage, dict) else {}
    total = {name: sum(counted(usage.get(name)) for usage in told.values()) for name in _NAMES}
    return as_usage(total), model


def counted(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    return token_count(value) or 0


def _entries(end: RunEnd) -> Iterator[dict[str, Any]]:
    """The lines that matter: the others hold the whole conversation."""
    for content in end.artifacts.values():
        for line in BytesIO(content):  # not all lines at once: a record can be long
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
        said = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return said >= start
