"""Every key of the settings, with its default, its limits and its meaning."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_gateway.model.posture import Posture
from llm_gateway.model.request import McpServer


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsProblem:
    """One thing that is wrong."""

    file: str  #: the settings file, or the name of an environment variable
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.message}"


class SettingsError(Exception):
    """The settings cannot be used; nothing was started."""

    def __init__(self, problems: Sequence[SettingsProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSections:
    """What the loaded plugins add to the settings."""

    #: every loaded provider, with the model of its own keys under `[providers.<name>]`, if it has any
    providers: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    top: Mapping[str, type[BaseModel]] = field(default_factory=dict)  #: other sections
    unread: frozenset[str] = frozenset()  #: plugins that are installed but not loaded: their sections are left unread
    env: frozenset[str] = frozenset()  #: environment variables that are the providers' own business


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSection(Section):
    """Where jobs, sessions, records and verdicts are kept."""

    url: str = Field(
        default="sqlite:",
        pattern=r"^[a-z][a-z0-9_]*:",
        description="The store; its scheme is the name of a store plugin. `sqlite:` alone is a file in the home.",
    )


class EngineSection(Section):
    """Where runs happen."""

    url: str = Field(
        default="local:",
        pattern=r"^[a-z][a-z0-9_]*:",
        description="The engine; its scheme is the name of an engine plugin. `local:` is this machine.",
    )


class JobsSection(Section):
    """How jobs live."""

    retention_days: float = Field(
        default=30, gt=0, le=36_500, description="How long finished jobs, records and verdicts are kept, in days."
    )
    keep_output: Literal["retention", "until_fetched"] = Field(
        default="retention",
        description="How long a job's prompt and raw output are kept; the reply itself is kept until retention either way.",
    )
    on_client_cancel: Literal["detach", "cancel"] = Field(
        default="detach", description="What becomes of a job whose caller cancels the call or goes away."
    )
    default_timeout_s: float = Field(
        default=3600.0, gt=0, le=86_400, description="Wall-clock limit of a run whose caller named none, in seconds."
    )


class ReuseSection(Section):
    """What it may cost to see whether the files are still as an earlier run left them."""

    budget_s: Seconds = Field(
        default=0.2,
        description="How long looking at the files may take, in seconds. What takes longer is unknown, and the request runs.",
    )
    budget_bytes: int = Field(
        default=256 * 1024**2, ge=0, description="How much may be read of the files' content, in bytes, as above."
    )


class LimitsSection(Section):
    """How much may happen at once in one home, over all its gateways."""

    running: int = Field(
        default_factory=lambda: min(32, (os.cpu_count() or 1) * 4),
        ge=1,
        description="Runs at the same time.",
        json_schema_extra={"shown_default": "cores × 4, at most 32"},
    )
    per_provider: int = Field(default=16, ge=1, description="Runs of one provider at the same time.")
    queued: int = Field(default=128, ge=0, description="Jobs that may wait; the next is refused as `saturated`.")
    output_bytes: int = Field(
        default=256 * 1024**2, ge=64 * 1024, description="Output kept of each stream of a run, head and tail, in bytes."
    )
    memory_mb: int | None = Field(
        default=None,
        ge=64,
        description="Memory of a run, of all its processes together, in MB; a run over it is ended. None: no limit.",
    )
    processes: int | None = Field(
        default=None,
        ge=32,
        description="Processes of a run at the same time; where cgroups count them, threads too. None: no limit.",
    )
    cpu: float | None = Field(
        default=None,
        ge=0.1,
        le=4096,
        allow_inf_nan=False,
        description="Processor time of a run, in cores. None: no limit.",
    )
    max_depth: int = Field(default=2, ge=0, description="How deep a run may call this gateway again.")


class ApprovalSection(Section):
    """Who must have judged a request before it runs."""

    required_policies: tuple[str, ...] = Field(
        default=(), description="Policies that must be loaded: without one of them every request is denied."
    )


class SurfaceSection(Section):
    """What is listed for clients."""

    show_absent: bool = Field(
        default=False,
        description="List the tools of a provider whose program was not found, too. A call answers `not_installed` either way.",
    )


class ProviderSection(Section):
    """One provider."""

    executable: Path | None = Field(
        default=None,
        description="The program to run, an absolute path. None: the provider's own, searched on PATH and where people install programs.",
    )
    default_posture: Posture | None = Field(
        default=None, description="The posture of a request that names none; none: the provider's headless default."
    )
    max_running: int | None = Field(
        default=None, ge=1, description="Runs at the same time, in place of `[limits] per_provider`."
    )
    env: Mapping[str, str] = Field(
        default_factory=dict, repr=False, description="Environment variables given to each run, with their values."
    )
    env_pass: tuple[str, ...] = Field(
        default=(), description="Names of the gateway's own environment variables that a run may see as well."
    )


class McpServerSection(Section):
    """An MCP server that may be given to runs."""

    command: str = Field(default="", description="The program that serves over stdio.")
    args: tuple[str, ...] = Field(default=(), description="Its arguments.")
    env: Mapping[str, str] = Field(default_factory=dict, repr=False, description="Its environment variables.")
    url: str | None = Field(default=None, description="Instead of `command`: the address of a server over HTTP.")

    @model_validator(mode="after")
    def _one_way_in(self) -> McpServerSection:
        if bool(self.command) == bool(self.url):
            raise ValueError("give exactly one of command or url")
        return self

    def named(self, name: str) -> McpServer:
        """The noun that the rest of the kernel knows."""
        return McpServer(name=name, command=self.command, args=self.args, env=self.env, url=self.url)


class FileSettings(Section):
    """The settings file as a whole."""

    sync_deadline_s: Seconds = Field(
        default=45.0,
        description="How long a waiting request waits before it answers `deferred`, in seconds; 0: as long as it takes.",
    )
    dedup_window_s: Seconds = Field(
        default=3600.0,
        description="How long a finished answer is given to the same request again, in seconds; 0: nothing is reused.",
    )
    default_mcp_servers: tuple[str, ...] = Field(
        default=("sqry",), description="MCP servers given to a run whose caller named none."
    )
    store: StoreSection = StoreSection()
    engine: EngineSection = EngineSection()
    jobs: JobsSection = JobsSection()
    reuse: ReuseSection = ReuseSection()
    limits: LimitsSection = Field(default_factory=LimitsSection)
    approval: ApprovalSection = ApprovalSection()
    surface: SurfaceSection = SurfaceSection()
    providers: Mapping[str, ProviderSection] = Field(default_factory=dict)
    mcp_servers: Mapping[str, McpServerSection] = Field(default_factory=dict)


class Settings(FileSettings):
    """The settings in force, and where they came from."""

    home: Path
    config_file: Path
    allow_bypass: bool = False  # LLM_GATEWAY_APPROVAL_ALLOW_BYPASS
    depth: int = 0  # LLM_GATEWAY_DEPTH: how many gateways stand above this one
    plugins: Mapping[str, BaseModel] = Field(default_factory=dict)  # a plugin's section -> its model
    provider_options: Mapping[str, BaseModel] = Field(default_factory=dict)  # the keys that providers' plugins brought
    sources: Mapping[str, str] = Field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    def provider(self, name: str) -> ProviderSection:
        """What is set for a provider, or the defaults."""
        return self.providers.get(name) or ProviderSection()

    def own(self, provider: str) -> BaseModel | None:
        """What is set of the keys that a provider's plugin brought."""
        return self.provider_options.get(provider)

    def source(self, key: str) -> str:
        """Where the value of a key such as `limits.running` came from."""
        return self.sources.get(key, "default")
