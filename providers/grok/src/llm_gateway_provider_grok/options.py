"""Grok's own parameters, beside the common ones."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from llm_gateway import Posture, error_for

#: Grok's words for what a run may do alone. `auto` is missing: it asks a remote judge, so no level describes it.
LEVEL_OF = {
    "plan": Posture.PLAN,
    "default": Posture.PROMPTED,
    "dontAsk": Posture.PROMPTED,
    "acceptEdits": Posture.ACCEPT_EDITS,
    "bypassPermissions": Posture.BYPASS,
}


class GrokOptions(BaseModel):
    """What only Grok understands."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    permission_mode: Literal["plan", "default", "dontAsk", "acceptEdits", "bypassPermissions"] | None = Field(
        None, description="Grok's own name for posture."
    )
    always_approve: bool = Field(False, description="Same as posture bypass.")
    #: Not `strict`: it would keep Grok from its own prompt and servers, which lie in the gateway's home.
    sandbox: Literal["workspace", "read-only"] | None = Field(
        None, description="Confine the whole run to read-only or to workingDir. Needs bubblewrap on Linux."
    )
    rules: str | None = Field(None, min_length=1, description="Text added to the system prompt.")


def posture_of(options: object) -> Posture | None:
    """The level that `permissionMode` or `alwaysApprove` spells. Raises InvalidRequest when they differ."""
    if not isinstance(options, GrokOptions):
        return None
    level = LEVEL_OF[options.permission_mode] if options.permission_mode else None
    if not options.always_approve:
        return level
    if level not in (None, Posture.BYPASS):
        raise error_for("invalid_request", f"alwaysApprove contradicts permissionMode {options.permission_mode!r}")
    return Posture.BYPASS
