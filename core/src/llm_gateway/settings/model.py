"""Every key of the settings, with its default, limits and description."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_gateway.model.configuration import ConfigSource
from llm_gateway.model.posture import Posture
from llm_gateway.model.request import McpServer


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsProblem:
    """One problem in the settings."""

    file: str  #: the settings file, or the name of an environment variable
    line: int | None
    message: str

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        return f"{self.file}{line}: {self.message}"


class SettingsError(Exception):
    """The settings cannot be used; nothing was started."""

    def __init__(self, problems: Sequence[SettingsProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSections:
    """The settings that the loaded plugins add."""

    #: every loaded provider, with the model of the keys that it adds to `[providers.<name>]`, if any
    providers: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    top: Mapping[str, type[BaseModel]] = field(default_factory=dict)  #: other sections
    unread: frozenset[str] = frozenset()  #: plugins that are installed but not loaded: their sections are ignored
    env: frozenset[str] = frozenset()  #: environment variables that providers use themselves
    #: the providers that can be told whose configuration of their CLI applies (`CONFIG_KEYS`)
    configurable: frozenset[str] = frozenset()


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSection(Section):
    """Where jobs, sessions, records and verdicts are stored."""

    url: str = Field(
        default="sqlite:",
        pattern=r"^[a-z][a-z0-9_]*:",
        description="The store; its scheme is the name of a store plugin. `sqlite:` alone is a file in the home.",
    )


class EngineSection(Section):
    """Where runs are executed."""

    url: str = Field(
        default="local:",
        pattern=r"^[a-z][a-z0-9_]*:",
        description="The engine; its scheme is the name of an engine plugin. `local:` is this machine.",
    )


class JobsSection(Section):
    """How long jobs are kept and how long they may run."""

    retention_days: float = Field(
        default=30, gt=0, le=36_500, description="How long finished jobs, records and verdicts are kept, in days."
    )
    keep_output: Literal["retention", "until_fetched"] = Field(
        default="retention",
        description="How long a job's prompt and raw output are kept; the reply itself is kept until retention either way.",
    )
    on_client_cancel: Literal["detach", "cancel"] = Field(
        default="detach",
        description="What happens to a job if its caller cancels the call or disconnects: `detach` lets it continue, `cancel` cancels it.",
    )
    default_timeout_s: float = Field(
        default=3600.0, gt=0, le=86_400, description="Wall-clock limit of a run, in seconds, if the caller gives none."
    )


class ReuseSection(Section):
    """Limits for checking whether the files have changed since an earlier run."""

    budget_s: Seconds = Field(
        default=0.2,
        description="Time limit for checking the files, in seconds. If it takes longer, no earlier answer is reused and the request runs.",
    )
    budget_bytes: int = Field(
        default=256 * 1024**2,
        ge=0,
        description="How many bytes of the files may be read for the check. If there are more, no earlier answer is reused.",
    )


class LimitsSection(Section):
    """Limits for one home, shared by all its gateways."""

    running: int = Field(
        default_factory=lambda: min(32, (os.cpu_count() or 1) * 4),
        ge=1,
        description="Runs at the same time.",
        json_schema_extra={"shown_default": "cores × 4, at most 32"},
    )
    per_provider: int = Field(default=16, ge=1, description="Runs of one provider at the same time.")
    queued: int = Field(
        default=128, ge=0, description="Jobs that may wait in the queue; more are refused with `saturated`."
    )
    output_bytes: int = Field(
        default=256 * 1024**2,
        ge=64 * 1024,
        description="Output kept of each stream of a run, beginning and end, in bytes.",
    )
    memory_mb: int | None = Field(
        default=None,
        ge=64,
        description="Memory of all processes of a run together, in MB; a run that uses more is stopped. None: no limit.",
    )
    processes: int | None = Field(
        default=None,
        ge=32,
        description="Processes of a run at the same time; with cgroups, threads count too. None: no limit.",
    )
    cpu: float | None = Field(
        default=None,
        ge=0.1,
        le=4096,
        allow_inf_nan=False,
        description="Processor time of a run, in cores. None: no limit.",
    )
    longest_wait_s: int = Field(
        default=60,
        ge=0,
        description="A run whose program waits longer than this until a limit of its service is reset is ended with "
        "`quota_exhausted` and `resetAt`, in seconds. 0: it may wait.",
    )
    max_depth: int = Field(default=2, ge=0, description="How many levels deep runs may call the gateway again.")


class ApprovalSection(Section):
    """Which policies must check a request before it runs."""

    required_policies: tuple[str, ...] = Field(
        default=(), description="Policies that must be loaded: if one is missing, every request is denied."
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
        default=None, description="The posture of requests without one. None: the provider's headless default."
    )
    max_running: int | None = Field(
        default=None, ge=1, description="Runs at the same time; overrides `[limits] per_provider`."
    )
    env: Mapping[str, str] = Field(
        default_factory=dict, repr=False, description="Environment variables to set for each run, with their values."
    )
    env_pass: tuple[str, ...] = Field(
        default=(), description="Names of environment variables that are also passed from the gateway to each run."
    )
    config: ConfigSource = Field(
        default=ConfigSource.USER,
        description="Whose configuration of the CLI applies. `user`: model, account, endpoint, environment and headers of the "
        "user's own settings. `project`: also the project's settings, in directories that `llm-gateway trust` names. "
        "`isolated`: nobody's settings and no instructions of the user; only the login.",
    )
    instructions: bool = Field(
        default=True,
        description="Whether the instruction files that the CLI knows, such as AGENTS.md, apply to its runs.",
    )
    user_hooks: bool = Field(
        default=False, description="Whether hooks and plugins in the settings that apply start in its runs."
    )
    user_mcp_servers: bool = Field(
        default=False,
        description="Whether MCP servers in the settings that apply start in its runs. This gateway never does.",
    )


#: The keys of a provider that apply only to those with `ProviderInfo.read_config`.
CONFIG_KEYS = frozenset({"config", "instructions", "user_hooks", "user_mcp_servers"})


class McpServerSection(Section):
    """An MCP server that runs can use."""

    command: str = Field(default="", description="The program of a server that uses stdio.")
    args: tuple[str, ...] = Field(default=(), description="Its arguments.")
    env: Mapping[str, str] = Field(default_factory=dict, repr=False, description="Its environment variables.")
    url: str | None = Field(default=None, description="The address of a server that uses HTTP; give this or `command`.")

    @model_validator(mode="after")
    def _command_or_url(self) -> McpServerSection:
        if bool(self.command) == bool(self.url):
            raise ValueError("give exactly one of command or url")
        return self

    def to_server(self, name: str) -> McpServer:
        """Convert this section to the type that the rest of the kernel uses."""
        return McpServer(name=name, command=self.command, args=self.args, env=self.env, url=self.url)


class FileSettings(Section):
    """The complete settings file."""

    sync_deadline_s: Seconds = Field(
        default=45.0,
        description="How long a synchronous request waits before it returns `deferred`, in seconds; 0: no limit.",
    )
    dedup_window_s: Seconds = Field(
        default=3600.0,
        description="How long the same request returns the answer of an earlier one, in seconds; 0: never reuse an answer.",
    )
    default_mcp_servers: tuple[str, ...] = Field(
        default=("sqry",), description="MCP servers for a run if the caller names none."
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
    """The effective settings, and the source of each value."""

    home: Path
    config_file: Path
    allow_bypass: bool = False  # LLM_GATEWAY_APPROVAL_ALLOW_BYPASS
    depth: int = 0  # LLM_GATEWAY_DEPTH: the number of gateways above this one
    plugins: Mapping[str, BaseModel] = Field(default_factory=dict)  # a plugin's section -> its model
    provider_options: Mapping[str, BaseModel] = Field(
        default_factory=dict
    )  # a provider -> the keys that its plugin adds
    sources: Mapping[str, str] = Field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    def provider(self, name: str) -> ProviderSection:
        """Return the section of a provider, with defaults for missing keys."""
        return self.providers.get(name) or ProviderSection()

    def options_of(self, provider: str) -> BaseModel | None:
        """Return the keys that a provider's plugin adds to its section; None if it adds none."""
        return self.provider_options.get(provider)

    def source(self, key: str) -> str:
        """Return the source of a key such as `limits.running`: "default", "<file>:<line>" or an environment variable."""
        return self.sources.get(key, "default")
