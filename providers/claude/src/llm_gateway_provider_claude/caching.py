"""Claude's prompt cache: what the operator sets, and what a turn's numbers mean. The rules are pure.

The service keeps the beginning of a request (tools, system prompt, conversation) for five minutes, or an hour, from its last
use. Claude Code marks the end of what is to be kept by itself; the next turn of a conversation reads all that this one read
and wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import CacheAccount, Record


class ClaudeSettings(BaseModel):
    """`[providers.claude]`, beside the keys that every provider has."""

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
        """As Claude Code spells it."""
        return "1h" if self.anthropic_ttl_seconds == 3600 else "5m"


def account(record: Record, earlier: Sequence[Record], settings: ClaudeSettings) -> CacheAccount | None:
    """Say what the tokens mean. A turn may be several requests; `held_tokens` is never more than what is really held."""
    usage, requests = record.usage, record.run.requests
    read, written = usage.cache_read_tokens, usage.cache_creation_tokens
    if read is None or written is None:
        return None
    before = next(
        (one.cache for one in earlier if record.resumed and one.session_id == record.session_id), CacheAccount()
    )
    if requests:
        # Each request reads what the first one read and at most what was written since.
        first_read = max(0, (read - (requests - 1) * written) // requests)
    else:  # sub-agents spoke, whose requests have beginnings of their own
        first_read = min(read, before.held_tokens or 0)
    return CacheAccount(
        read_tokens=read,
        written_tokens=written,
        ttl_s=record.run.cache_ttl_s or before.ttl_s or float(settings.anthropic_ttl_seconds),
        held_tokens=first_read + written if read or written else None,
    )
