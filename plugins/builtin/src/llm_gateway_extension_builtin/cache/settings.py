"""What the operator sets."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CacheSettings(BaseModel):
    """`[cache_awareness]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warn_on_ttl_expiry: bool = Field(
        default=True,
        description="Warn when a conversation is continued whose cache has less than 30 seconds left, or none.",
    )
    min_prefix_tokens: int = Field(
        default=1024,
        ge=0,
        description="Shorter beginnings are not looked at: services do not keep them. Also the least that counts as a break.",
    )
