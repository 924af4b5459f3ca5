"""How a provider's plugin describes its CLI."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from llm_gateway.model.configuration import ConfigChoice, OwnConfig
from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.posture import Posture
from llm_gateway.model.reply import Event, Summary
from llm_gateway.model.request import Request
from llm_gateway.model.tools import Opened

#: Common parameters that are refused, never ignored, unless a provider declares that its CLI supports them.
DECLARED = ("allowed_tools", "disallowed_tools", "add_dirs", "max_turns", "max_budget_usd", "effort", "output_schema")
SUPPORTABLE = frozenset((*map(to_camel, DECLARED), "mcpServers", "sessionId", "cacheControl"))


class NoOptions(BaseModel):
    """The options model of a provider without its own parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndStep:
    """A signal to the run's process group, and how many seconds the run may take to end."""

    signal: int = signal.SIGTERM  #: its number
    grace_s: float = 3.0  #: seconds until the next step, or until SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenVersions:
    """Versions of a CLI with which something is known to fail."""

    since: str = ""  #: the first of them; empty: every version below `below`
    below: str = ""  #: the first version without the fault; empty: there is none yet
    breaks: str  #: what fails, in a few words, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """The description of a CLI that the kernel needs."""

    name: str  #: lower case; the tools are `<name>_request` and `<name>_request_async`
    title: str  #: the name shown to people
    executable: str  #: searched by `installations.find_installed`; `[providers.<name>] executable` overrides it
    #: Folders of the program's own installer, beside those of package and version managers: absolute, or `~/…`.
    program_folders: tuple[str, ...] = ()
    options_model: type[BaseModel] = NoOptions  #: the provider's own parameters; camelCase aliases, extra="forbid"
    posture_of: Callable[[Any], Posture | None] = lambda options: None  #: the level that the options name; None: none

    postures: tuple[Posture, ...]  #: the levels that the CLI can enforce, lowest first

    default_posture: Posture = Posture.PROMPTED  #: used when neither the request nor the settings name one
    #: The default posture where policies judge; the nearest lower level, if the CLI cannot enforce it.
    approved_posture: Posture = Posture.ACCEPT_EDITS
    #: Common parameters that the CLI supports: allowedTools disallowedTools addDirs mcpServers maxTurns maxBudgetUsd
    #: effort outputSchema sessionId. Those that are missing here are refused, never ignored. `model` and the others are
    #: valid for every provider. Without cacheControl (marks in promptParts) a request continues with a warning.
    supports: frozenset[str] = frozenset()
    #: True: it may wait until a limit of its service is reset, and its reader's events say until when (`Event.waiting_until`).
    #: A run that waits longer than the setting `[limits] longest_wait_s` is ended with `quota_exhausted` and the time.
    waits_for_limits: bool = False
    silent: bool = False  #: True: prints only at its end, so idleTimeoutMs is refused
    end_steps: tuple[EndStep, ...] = (EndStep(),)  #: SIGKILL to every descendant follows automatically
    env: tuple[str, ...] = ()  #: variables it may see besides the common ones; a trailing `*` matches a prefix
    #: A regular expression for its session ids (full match).
    native_id_pattern: str = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
    version_argv: tuple[str, ...] = ("--version",)  #: arguments that print the version, without a network call

    versions_seen: tuple[str, str] | None = None  #: first and last version it was tested with
    versions_broken: tuple[
        BrokenVersions, ...
    ] = ()  #: versions with which something fails; requests are sent with a warning
    install: str = ""  #: the command that installs it
    login: str = ""  #: the command that logs in
    #: Arguments that check, without a network call, whether it is logged in (exit code 0); empty: unknown.
    login_argv: tuple[str, ...] = ()
    #: The first version in which `login_argv` is that check; with an older or unknown version it is not run, because there
    #: the same arguments may be a prompt, which costs money. Empty: every version.
    login_since: str = ""
    login_env: Mapping[str, str] = field(default_factory=dict)  #: variables that keep the check off the network
    #: Called first, with the run's environment: whether files or variables show a login. None: unknown; use `login_argv`.
    logged_in: Callable[[Mapping[str, str]], bool | None] = lambda environ: None
    #: The files and directories that it reads besides the working directory: settings, login, instructions. Called with the
    #: run's environment and the working directory, in a thread, so it may read files. Returns absolute paths, which need not
    #: exist. A finished answer is not reused when one of them has changed. Leave out what the program writes at each run
    #: (logs, histories).
    config_files: Callable[[Mapping[str, str], str], Sequence[str]] = lambda environ, working_dir: ()
    #: Reads what of the user's and the project's own configuration of the CLI applies to a run; the kernel passes the result to
    #: `gateway_build_argv`. Called in a thread, for each run, so it may read files; `read_cached` parses each only once. With it,
    #: the operator can set `config`, `instructions`, `user_hooks` and `user_mcp_servers` in `[providers.<name>]`. None: the CLI
    #: reads whatever it reads. May raise InvalidRequest for a file that cannot be read: a run without it would use another
    #: account or service.
    read_config: Callable[[ConfigChoice], OwnConfig] | None = None
    #: What the entries of a request's allowedTools open, in this CLI's own syntax and as `gateway_build_argv` passes them on;
    #: called before policies judge. None: unknown; policies then assume that a file tool opens every file.
    opens: Callable[[Request], Sequence[Opened]] | None = None
    #: Where the CLI stores logins, settings and conversations: paths, with `~` or a leading `$VARIABLE`.
    private_places: tuple[str, ...] = ()
    #: Several programs under one name: variant -> its own info, in order of preference. The other fields then describe what
    #: they support together, for the tool's schema; a request is checked against its variant.
    variants: Mapping[str, ProviderInfo] = field(default_factory=dict)
    variant: str = ""  #: in the info of a variant: its name
    #: The variant that the options name; called with None: the settings' choice
    variant_of: Callable[[Any], str | None] = lambda options: None
    #: The next fields say what a sandbox must allow. In `own_paths` and `own_settings`, `~` is the run's home and
    #: `${NAME:-default}` a variable of the run's environment; an empty variable counts as absent.
    own_paths: tuple[str, ...] = ()  #: files and folders that it writes: login, conversations, caches
    own_settings: tuple[str, ...] = ()  #: those among them that affect later runs, and so are read-only for a run
    hosts: tuple[str, ...] = ()  #: hosts that it needs to answer and to renew its login; `*` matches any characters
    url_env: tuple[str, ...] = ()  #: variables of `env` whose value contains the address of another service
    project_folders: tuple[str, ...] = ()  #: folders in a working directory from which it reads a project's settings

    @property
    def programs(self) -> Mapping[str, ProviderInfo]:
        """Every program, by variant; a single one has no name."""
        return self.variants or {"": self}

    def of(self, variant: str) -> ProviderInfo:
        """The info of one variant."""
        return self.variants.get(variant, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that a provider's own files or commands name."""

    id: str  #: as a caller passes it in `model`
    source: str  #: where the name was read
    default: bool = False  #: used when a request names no model
    title: str = ""  #: a name for people


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradePlan:
    """The command that upgrades this installation of a CLI; it has not been run."""

    argv: tuple[str, ...]  #: the command
    method: str  #: npm, uv, pipx, native, …
    note: str = ""  #: what else the user should know


class OutputReader(Protocol):
    """Reads one run's output, piece by piece. Pure: no I/O; the same bytes give the same summary, however they are split."""

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        """Process the next bytes of `stdout` or `stderr`; return the events in them. Never raises on invalid data."""

    def gap(self, stream: str) -> None:
        """Bytes are missing here (output above the limit): discard a partial line."""

    def finish(self, end: RunEnd) -> Summary:
        """The output has ended: return its summary. Never raises on invalid data."""
