"""Claude Code's own parameters, beside the common ones."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from llm_gateway import Posture

#: Claude Code's words for what a run may do alone. `auto` is missing: it asks a remote judge, so no level describes it.
LEVEL_OF = {
    "plan": Posture.PLAN,
    "default": Posture.PROMPTED,
    "manual": Posture.PROMPTED,
    "dontAsk": Posture.PROMPTED,
    "acceptEdits": Posture.ACCEPT_EDITS,
    "bypassPermissions": Posture.BYPASS,
}


class ClaudeOptions(BaseModel):
    """What only Claude Code understands."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    permission_mode: Literal["plan", "default", "manual", "dontAsk", "acceptEdits", "bypassPermissions"] | None = Field(
        None, description="Claude Code's own name for posture."
    )
    append_system_prompt: str | None = Field(None, min_length=1, description="Added to the system prompt.")
    fallback_model: str | None = Field(
        None, min_length=1, description="Models to try when the first is overloaded. Comma-separated."
    )
    cache_ttl: Literal["5m", "1h"] | None = Field(None, description="How long the prompt cache lives.")


def posture_of(options: object) -> Posture | None:
    """The level that `permissionMode` spells."""
    mode = options.permission_mode if isinstance(options, ClaudeOptions) else None
    return LEVEL_OF[mode] if mode else None
