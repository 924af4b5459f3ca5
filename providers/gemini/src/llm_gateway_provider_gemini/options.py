"""What only this provider understands: parameters of a request, and settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from llm_gateway import Posture

#: The variants, best first: the vendor serves consumer logins through Antigravity alone.
AGY, GEMINI = "agy", "gemini"
Flavor = Literal["agy", "gemini"]

#: Gemini CLI's words for what a run may do alone.
LEVEL_OF = {
    "plan": Posture.PLAN,
    "default": Posture.PROMPTED,
    "auto_edit": Posture.ACCEPT_EDITS,
    "yolo": Posture.BYPASS,
}


class GeminiOptions(BaseModel):
    """What only this provider understands."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    approval_mode: Literal["plan", "default", "auto_edit", "yolo"] | None = Field(
        None, description="Gemini CLI's own name for posture."
    )
    flavor: Flavor | None = Field(
        None, description="Which program runs: Antigravity (agy) or Gemini CLI. Default: the first that is installed."
    )


class GeminiSettings(BaseModel):
    """`[providers.gemini]`, beside the gateway's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flavor: Flavor | None = Field(
        None, description="The program to use: `agy` or `gemini`. None: the first that is found"
    )
    default_model: str = Field(
        "flash",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}",
        description="Gemini CLI's model when nobody names one; its own `auto` asks another model first, for each prompt",
    )


def posture_of(options: object) -> Posture | None:
    """The level that `approvalMode` spells."""
    mode = options.approval_mode if isinstance(options, GeminiOptions) else None
    return LEVEL_OF[mode] if mode else None
