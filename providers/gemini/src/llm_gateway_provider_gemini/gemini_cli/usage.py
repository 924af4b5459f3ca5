"""Tokens of one run of Gemini CLI, from its last line: sums over the model calls of this run, not of the conversation.

`input_tokens` holds the cached part, `input` does not. `output_tokens` leaves thoughts out, and they stand nowhere but in the
total; here they are part of the output, as elsewhere. What was written to the cache is not told.
"""

from __future__ import annotations

from typing import Any

from llm_gateway import Usage
from llm_gateway_provider_kit.lines import as_dict, token_count


def tokens(stats: dict[str, Any]) -> Usage:
    """The run's tokens; unknown when no call of the model ended well, or where a number cannot be true."""
    total = token_count(stats.get("total_tokens"))
    if not total:
        return Usage()
    whole, read, answered = (token_count(stats.get(name, 0)) for name in ("input_tokens", "cached", "output_tokens"))
    if whole is None or read is None or answered is None:
        return Usage(output_tokens=answered, cache_read_tokens=read)
    thought = max(0, total - whole - answered)
    return Usage(
        input_tokens=max(0, whole - read),
        output_tokens=answered + thought,
        cache_read_tokens=read,
        reasoning_tokens=thought,
    )


def busiest_model(stats: dict[str, Any]) -> str | None:
    """The model that did the work: a small one may have chosen it."""
    used = {
        name: token_count(as_dict(model).get("total_tokens")) or 0
        for name, model in as_dict(stats.get("models")).items()
    }
    best = max(used, key=lambda name: used[name], default=None)
    return best if best and used[best] else None
