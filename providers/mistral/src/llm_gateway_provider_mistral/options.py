"""Mistral Vibe's own parameters, beside the common ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from llm_gateway import Posture

#: Vibe's words for what a run may do alone. `smart-approve` is missing: a model judges each call, so no level describes it.
LEVEL_OF = {
    "ask": Posture.PROMPTED,
    "accept-edits": Posture.ACCEPT_EDITS,
    "auto-approve": Posture.BYPASS,
}

ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,255}$")]


class MistralOptions(BaseModel):
    """What only Mistral Vibe understands."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    permission_mode: Literal["ask", "accept-edits", "auto-approve"] | None = Field(
        None, description="Vibe's own name for posture."
    )
    mcp_tools: list[ToolName] = Field(  # a tuple could not be said in JSON: arguments are checked strictly
        [], description="Tools of mcpServers to allow without asking. Each as server_tool."
    )


def posture_of(options: object) -> Posture | None:
    """The level that `permissionMode` spells."""
    mode = options.permission_mode if isinstance(options, MistralOptions) else None
    return LEVEL_OF[mode] if mode else None
