"""`[wall]`: the paths that a run may read and write and the hosts it may reach; rules change them by provider or posture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from llm_gateway import Posture

Network = Literal["on", "off", "model-only"]
#: `name`, `name:port` or a pattern with `*`. The default port is 443.
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*._-]+(:[0-9]{1,5})?$")]

_PROTECTED = (".git", ".claude", ".codex", ".gemini", ".grok", ".vibe")
_VISIBLE = ("~/.nvm", "~/.volta", "~/.pyenv", "~/.cargo/bin", "~/.rustup", "~/.local/bin", "~/.local/share/uv")
_SECRETS = (
    *("~/.ssh", "~/.gnupg", "~/.aws", "~/.azure", "~/.kube", "~/.docker", "~/.password-store", "~/.mozilla"),
    *("~/.netrc", "~/.npmrc", "~/.pypirc", "~/.git-credentials", "~/.config", "~/.local/share/keyrings"),
    "~/.llm-cli-gateway",
)


def _rooted(paths: tuple[str, ...]) -> tuple[str, ...]:
    for path in paths:
        if not path.startswith(("/", "~/")) or "\0" in path:
            raise ValueError(f"{path!r} must be absolute, or begin with ~/")
    return paths


class WallRule(BaseModel):
    """`[[wall.rules]]`: other values for some runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str | None = Field(default=None, description="For runs of this provider alone; none: of all.")
    posture: Posture | None = Field(default=None, description="For runs with this posture alone; none: with any.")
    enabled: bool | None = Field(default=None, description="Whether these runs get a wall.")
    network: Network | None = Field(default=None, description="In place of `network`.")
    hosts: tuple[Host, ...] = Field(default=(), description="More hosts.")
    visible: tuple[str, ...] = Field(default=(), description="More paths to read.")
    writable: tuple[str, ...] = Field(default=(), description="More paths to write.")

    check_paths = field_validator("visible", "writable")(_rooted)


class WallSettings(BaseModel):
    """`[wall]` in config.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    required: bool = Field(
        default=True,
        description="Refuse requests where no wall can be built; false: run without one, with the warning `no_wall`.",
    )
    bubblewrap: Path | None = Field(default=None, description="The program `bwrap`; none: the one on PATH.")
    network: Network = Field(
        default="model-only",
        description="What a run may reach: its provider's own hosts alone, everything, or nothing.",
    )
    hosts: tuple[Host, ...] = Field(
        default=(),
        description="Hosts that `model-only` opens beside the provider's own: `name`, `name:port`, with `*`.",
    )
    visible: tuple[str, ...] = Field(default=_VISIBLE, description="Paths that a run may read, where they exist.")
    writable: tuple[str, ...] = Field(
        default=(), description="Paths that a run may write, where they exist, whatever its posture."
    )
    protected: tuple[str, ...] = Field(
        default=_PROTECTED,
        description="Names that stay read-only in a working directory, beside the project folders that providers name.",
    )
    secrets: tuple[str, ...] = Field(
        default=_SECRETS, description="Paths that no request may name as its directory, nor anything inside of them."
    )
    rules: tuple[WallRule, ...] = Field(
        default=(),
        description="Tables with other values for a `provider` or `posture`; later ones outrank earlier ones.",
    )

    check_paths = field_validator("visible", "writable", "secrets")(_rooted)

    @field_validator("protected")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise ValueError(f"{name!r} must be the name of a file or folder, without a path")
        return names

    def rule(self, provider: str, posture: Posture) -> WallRule:
        """Return the values for one run: the section with all matching rules applied. Pure."""
        fitting = [rule for rule in self.rules if rule.provider in (None, provider) and rule.posture in (None, posture)]
        enabled, network = True, self.network
        for rule in fitting:
            enabled = enabled if rule.enabled is None else rule.enabled
            network = rule.network or network
        return WallRule(
            enabled=enabled,
            network=network,
            hosts=(*self.hosts, *(host for rule in fitting for host in rule.hosts)),
            visible=(*self.visible, *(path for rule in fitting for path in rule.visible)),
            writable=(*self.writable, *(path for rule in fitting for path in rule.writable)),
        )


def homes(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the user's home according to the environment and to the system, with links resolved."""
    import pwd

    found = [environ.get("HOME") or "/nonexistent"]
    with suppress(KeyError):
        found.append(pwd.getpwuid(os.getuid()).pw_dir)
    return tuple(dict.fromkeys(os.path.realpath(home) for home in found))
