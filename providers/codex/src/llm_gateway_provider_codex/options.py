"""Codex's own parameters and settings, beside the common ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from llm_gateway import Posture, error_for

#: Codex's words for what a run may do alone.
LEVEL_OF = {
    "read-only": Posture.READ_ONLY,
    "workspace-write": Posture.WORKSPACE_WRITE,
    "danger-full-access": Posture.BYPASS,
}
_OVERRIDE = r'^[A-Za-z0-9_"][^=\s]*='


class CodexOptions(BaseModel):
    """What only Codex understands."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    full_auto: bool | None = Field(None, description="Same as posture workspace_write.")
    sandbox_mode: Literal["read-only", "workspace-write", "danger-full-access"] | None = Field(
        None, description="Codex's own name for posture."
    )
    search: bool | None = Field(None, description="Whether Codex may search the web. true: live results; false: never.")


class CodexSettings(BaseModel):
    """`[providers.codex]`, beside what every provider has there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overrides: tuple[Annotated[str, StringConstraints(pattern=_OVERRIDE)], ...] = Field(
        (), description="Codex settings for every run, as `key=value` with TOML values. Visible on command lines."
    )


def posture_of(options: object) -> Posture | None:
    """The level that `fullAuto` or `sandboxMode` spells. Raises InvalidRequest where they contradict each other."""
    if not isinstance(options, CodexOptions):
        return None
    mode = LEVEL_OF[options.sandbox_mode] if options.sandbox_mode else None
    if options.full_auto and mode not in (None, Posture.WORKSPACE_WRITE):
        raise error_for("invalid_request", f"fullAuto means workspace-write, but sandboxMode is {options.sandbox_mode}")
    return Posture.WORKSPACE_WRITE if options.full_auto else mode
