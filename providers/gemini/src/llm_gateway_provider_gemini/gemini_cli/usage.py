"""Tokens of one run of Gemini CLI, from its last line: the sum of the model calls of this run, not of the conversation.

`input_tokens` includes the cached tokens, `input` does not. `output_tokens` does not include thoughts; only the total does. Here
thoughts are part of the output, as for other providers. Gemini CLI does not report tokens written to the cache.
"""

from __future__ import annotations

from typing import Any

from llm_gateway import Usage
from llm_gateway_provider_kit.lines import as_dict, token_count


def tokens(stats: dict[str, Any]) -> Usage:
    """Return the tokens of the run; unknown if no model call succeeded, or if a number is impossible."""
    total = token_count(stats.get("total_tokens"))
    if not total:
        return Usage()
    total_input, read, answered = (
        token_count(stats.get(name, 0)) for name in ("input_tokens", "cached", "output_tokens")
    )
    if total_input is None or read is None or answered is None:
        return Usage(output_tokens=answered, cache_read_tokens=read)
    thought = max(0, total - total_input - answered)
    return Usage(
        input_tokens=max(0, total_input - read),
        output_tokens=answered + thought,
        cache_read_tokens=read,
        reasoning_tokens=thought,
    )


def busiest_model(stats: dict[str, Any]) -> str | None:
    """Return the model with the most tokens: a small model may only have selected it."""
    used = {
        name: token_count(as_dict(model).get("total_tokens")) or 0
        for name, model in as_dict(stats.get("models")).items()
    }
    best = max(used, key=lambda name: used[name], default=None)
    return best if best and used[best] else None
