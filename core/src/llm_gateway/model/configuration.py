"""What of a user's and a project's own configuration of a CLI applies to a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from llm_gateway.model.invocation import Notice
from llm_gateway.model.request import McpServer


class ConfigSource(str, Enum):
    """`[providers.<name>] config`: whose settings of the CLI apply to its runs."""

    USER = "user"  #: the user's own
    ISOLATED = "isolated"  #: nobody's
    PROJECT = "project"  #: the user's, and those of a directory that the user trusts


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChoice:
    """What a provider shall read for one run, and where: the argument of `ProviderInfo.read_config`."""

    environ: Mapping[str, str] = field(repr=False)  #: the run's environment, without what the invocation adds
    working_dir: str  #: absolute, links resolved; empty: none is known, so only what the user has in the home counts
    #: The top of the working directory's repository, links resolved; without a repository, the working directory.
    repository: str
    source: ConfigSource = ConfigSource.USER  #: PROJECT only in a directory that the user trusts
    #: PROJECT: the trusted directory. Settings of folders outside of it are not the trusted project's.
    trusted: str = ""
    instructions: bool = True  #: whether instruction files apply
    user_hooks: bool = False  #: whether hooks and plugins in the settings start
    user_mcp_servers: bool = False  #: whether MCP servers in the settings start

    @property
    def user(self) -> bool:
        """Whether the user's own settings and user-level instructions apply."""
        return self.source is not ConfigSource.ISOLATED


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnConfig:
    """What applies to one run, as `ProviderInfo.read_config` read it."""

    choice: ConfigChoice | None = None  #: what was to be read; None: this provider reads no configuration
    settings: object = field(default=None, repr=False)  #: for `gateway_build_argv`, in the provider's own form
    #: Variables that the settings set: they replace the gateway's own, and give way to the invocation's and the operator's.
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_pass: tuple[
        str, ...
    ] = ()  #: names of variables that the settings refer to; passed from the gateway's environment
    mcp_servers: tuple[McpServer, ...] = field(default=(), repr=False)  #: the servers to start; without this gateway
    instructions: str = field(default="", repr=False)  #: the text that the CLI would not read by itself
    digest: str = (
        ""  #: of the contents of all instruction files that apply; part of the key by which answers are reused
    )
    files: tuple[str, ...] = ()  #: the configuration files that exist and apply
    instruction_files: tuple[str, ...] = ()  #: the instruction files that exist and apply
    model: str | None = None  #: the model that results for a request without one; None: the CLI's default
    endpoint: str | None = None  #: the address of the service that results; None: the CLI's default. Without secrets.
    notices: tuple[Notice, ...] = ()  #: shown to the caller of each run


NO_CONFIG = OwnConfig()  #: of a provider that reads no configuration
