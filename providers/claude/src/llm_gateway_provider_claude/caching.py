"""Claude's prompt cache: the operator's settings, and the meaning of a turn's token counts. The rules are pure.

The service keeps the beginning of a request (tools, system prompt, conversation) for five minutes or an hour after its last
use. Claude Code itself marks the end of the text to keep. The next turn of a conversation reads everything that this turn
read and wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import CacheAccount, Record


class ClaudeSettings(BaseModel):
    """`[providers.claude]`, in addition to the keys of every provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anthropic_ttl_seconds: Literal[300, 3600] = Field(
        default=300,
        description="How long prompts are to be kept in the cache, for callers that do not say `cacheTtl`. An hour costs more to "
        "write. Change it when no marked conversation is under way: all marks of one must live equally long.",
    )
    emit_cache_control: bool = Field(
        default=True,
        description="Pass on the marks of `promptParts.cacheControl`; false: they are left out, with a warning.",
    )

    @property
    def ttl(self) -> str:
        """The time to live in Claude Code's notation."""
        return "1h" if self.anthropic_ttl_seconds == 3600 else "5m"


def account(record: Record, earlier: Sequence[Record], settings: ClaudeSettings) -> CacheAccount | None:
    """Return what the cache holds after this turn. A turn may be several requests; `held_tokens` is a lower bound."""
    usage, requests = record.usage, record.run.requests
    read, written = usage.cache_read_tokens, usage.cache_creation_tokens
    if read is None or written is None:
        return None
    before = _account_before(record, earlier)
    if requests:
        # Each request reads what the first request read, and at most everything written since.
        first_read = max(0, (read - (requests - 1) * written) // requests)
    else:  # unknown: sub-agents sent requests with other beginnings
        first_read = min(read, before.held_tokens or 0)
    return CacheAccount(
        read_tokens=read,
        written_tokens=written,
        ttl_s=record.run.cache_ttl_s or before.ttl_s or float(settings.anthropic_ttl_seconds),
        held_tokens=first_read + written if read or written else None,
    )


def _account_before(record: Record, earlier: Sequence[Record]) -> CacheAccount:
    """The account of the previous turn of the same session; an empty one if there is none."""
    if record.resumed:
        for turn in earlier:
            if turn.session_id == record.session_id:
                return turn.cache
    return CacheAccount()
