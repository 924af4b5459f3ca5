"""What a provider's plugin says about its CLI."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.posture import Posture
from llm_gateway.model.reply import Event, Summary
from llm_gateway.model.request import Request
from llm_gateway.model.tools import Opened

#: Common parameters that are refused, never ignored, unless a provider declares that it can hold them.
DECLARED = ("allowed_tools", "disallowed_tools", "add_dirs", "max_turns", "max_budget_usd", "effort", "output_schema")
SUPPORTABLE = frozenset((*map(to_camel, DECLARED), "mcpServers", "sessionId", "cacheControl"))


class NoOptions(BaseModel):
    """For a provider without parameters of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndStep:
    """A signal to the run's process group, and how long the run may take to obey."""

    signal: int = signal.SIGTERM
    grace_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """A CLI, as the kernel needs to know it."""

    name: str  #: lower case; becomes `<name>_request`
    title: str
    executable: str  #: searched by `installations.find_installed`; `[providers.<name>] executable` overrides it
    #: Folders in which the program's own installer puts it, beside those of package and version managers: absolute, or `~/…`.
    program_folders: tuple[str, ...] = ()
    options_model: type[BaseModel] = NoOptions  #: the provider's own parameters; camelCase aliases, extra="forbid"
    posture_of: Callable[[Any], Posture | None] = lambda options: None  #: the level that the options spell
    postures: tuple[Posture, ...]  #: the levels it can hold
    default_posture: Posture = Posture.PROMPTED
    #: What a request that names no posture asks for where policies judge; the nearest lower level, if it is not held.
    approved_posture: Posture = Posture.ACCEPT_EDITS
    #: Common parameters it can hold: allowedTools disallowedTools addDirs mcpServers maxTurns maxBudgetUsd effort
    #: outputSchema sessionId. `model` and the rest are for every provider. Others are refused, never ignored. Without
    #: cacheControl (marks in promptParts) a request goes on with a warning.
    supports: frozenset[str] = frozenset()
    silent: bool = False  #: True: prints only at its end, so silence says nothing and idleTimeoutMs is refused
    end_steps: tuple[EndStep, ...] = (EndStep(),)  #: SIGKILL to every descendant follows by itself
    env: tuple[str, ...] = ()  #: names it may see beside the common ones; a trailing `*` matches a prefix
    native_id_pattern: str = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"  #: what its session ids look like (full match)
    version_argv: tuple[str, ...] = ("--version",)
    versions_seen: tuple[str, str] | None = None  #: first and last version it was tested with
    install: str = ""  #: the command that installs it
    login: str = ""  #: the command that logs in
    #: Arguments that ask, without a network call, whether it is logged in (exit 0); none: unknown.
    login_argv: tuple[str, ...] = ()
    #: The same, asked first, of the run's environment and the files that it leads to; None: `login_argv` knows, or nobody.
    logged_in: Callable[[Mapping[str, str]], bool | None] = lambda environ: None
    #: The files and directories that it reads beside the working directory, given the run's environment and that directory:
    #: settings, login, instructions. A finished answer is not reused when one of them has changed. Absolute paths; they need
    #: not exist. What the program itself writes at each run (logs, histories) does not belong here. Called in a thread, it
    #: may read files.
    config_files: Callable[[Mapping[str, str], str], Sequence[str]] = lambda environ, working_dir: ()
    #: What the entries of a request's allowedTools open, in this CLI's own syntax and as `gateway_build_argv` hands them on;
    #: called before policies judge. None: nobody knows, and policies think the worst of a tool that looks at files.
    opens: Callable[[Request], Sequence[Opened]] | None = None
    #: Where the CLI keeps logins, settings and conversations: paths, with `~` or a leading `$VARIABLE`.
    private_places: tuple[str, ...] = ()
    #: Several programs under one name: variant -> its own info, in order of preference. What stands outside of them is
    #: then what they hold together, for the tool's schema; a request is held to what its variant can.
    variants: Mapping[str, ProviderInfo] = field(default_factory=dict)
    variant: str = ""  #: in a variant's own info: its name
    variant_of: Callable[[Any], str | None] = lambda options: None  #: what the options ask for; of None: the settings
    #: What a sandbox must leave open, so that the program works in it; `own_paths` and `own_settings` are paths in which
    #: `~` is the run's home and `${NAME:-default}` a variable of the run's environment. An empty one counts as absent.
    own_paths: tuple[str, ...] = ()  #: its files and folders: login, conversations, caches. It writes them.
    own_settings: tuple[str, ...] = ()  #: among those: what decides over later runs, and so is read-only for a run
    hosts: tuple[str, ...] = ()  #: hosts that it needs to answer and to renew its login; `*` stands for any characters
    url_env: tuple[str, ...] = ()  #: variables of `env` whose value holds the address of another service
    project_folders: tuple[str, ...] = ()  #: names in a working directory in which it looks for a project's settings

    @property
    def programs(self) -> Mapping[str, ProviderInfo]:
        """Every program, by variant; a single one has no name."""
        return self.variants or {"": self}

    def of(self, variant: str) -> ProviderInfo:
        """What is true of one variant."""
        return self.variants.get(variant, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that a provider's own files or commands name."""

    id: str
    source: str  #: where the name was read
    default: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradePlan:
    """How this installation of a CLI is brought to a version; nothing has been run."""

    argv: tuple[str, ...]
    method: str  #: npm, uv, pipx, native, …
    note: str = ""


class OutputReader(Protocol):
    """Reads one run's output, piece by piece. Pure: no I/O, the same bytes give the same summary however they are cut."""

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Take the next bytes of `stdout` or `stderr`; give what they tell. Never raises on bad data."""

    def gap(self, stream: str) -> None:
        """Bytes are missing here (output above the limit): forget a half line."""

    def finish(self, end: RunEnd) -> Summary:
        """The output is over: sum it up."""
