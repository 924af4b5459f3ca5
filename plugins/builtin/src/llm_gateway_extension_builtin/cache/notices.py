"""Warnings for callers, before a run and after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_gateway import Notice, Record
from llm_gateway_extension_builtin.cache.rules import KEPT, actually_read, remaining_s
from llm_gateway_extension_builtin.cache.settings import CacheSettings

_SOON_S = 30.0
#: How often a large prefix must have been sent without a mark before there is a warning.
_FLAT_BEFORE = 2

WHY = {
    "ttl_passed": "its time to live had passed",
    "model_changed": "another model answered",
    "tools_changed": "the tools, their permissions or the MCP servers changed",
    "cli_version_changed": "the CLI was upgraded",
    "prefix_changed": "parameters that stand before the conversation changed",
    "unknown": "the reason is not known; perhaps the CLI or the service dropped it",
}


def before_run(
    record: Record, earlier: Sequence[Record], *, marked: bool, markable: bool, settings: CacheSettings
) -> Iterator[Notice]:
    """Warnings about the cache; the request continues."""
    last = next((one for one in earlier if one.session_id == record.session_id), None) if record.resumed else None
    if last and settings.warn_on_ttl_expiry and (last.cache.held_tokens or 0) >= settings.min_prefix_tokens:
        left_s = remaining_s(last, record)
        if left_s is not None and left_s < _SOON_S:
            left_ms = max(0, round(left_s * 1000))
            state = f"has {left_ms / 1000:.0f} s left" if left_ms else "has passed its time to live"
            yield Notice(
                code="cache_ttl_expiring_soon",
                message=f"the prompt cache of this conversation {state}: the turn may cost as much as a new one",
                details={"ttlRemainingMs": left_ms},
            )
    flat = [
        one for one in earlier if not one.resumed and one.prefix_sha256 == record.prefix_sha256 and not _marked(one)
    ]
    large = record.prefix_sha256 and record.prefix_tokens >= max(settings.min_prefix_tokens, 1)
    if markable and large and not (marked or record.resumed) and len(flat) >= _FLAT_BEFORE:
        yield Notice(
            code="cacheable_prefix_uncached",
            message=f"the same prefix of about {record.prefix_tokens:,} tokens comes again and again without a mark: with "
            "promptParts.cacheControl it would be read from the cache",
            details={"prefixTokens": record.prefix_tokens, "prefixSha256": record.prefix_sha256},
        )


def after_run(record: Record) -> Iterator[Notice]:
    """A cache break."""
    cause, expected = record.cache.cause, record.cache.expected_tokens
    if cause:
        actual = actually_read(record) or 0
        yield Notice(
            code="cache_break",
            message=f"of about {expected:,} tokens that the prompt cache should have held, {actual:,} were read: {WHY[cause]}",
            details={"expectedTokens": expected, "actualTokens": actual, "cause": cause},
        )


def _marked(record: Record) -> bool:
    return bool(record.kept.get(KEPT, {}).get("marked"))
