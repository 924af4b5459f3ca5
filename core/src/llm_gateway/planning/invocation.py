"""Step 4: the provider's program on this machine, the environment of its runs, and checks of what it can execute."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic.alias_generators import to_camel

from llm_gateway.errors import InvalidRequest, NotInstalled
from llm_gateway.installations import MANAGERS, clean_path, find_installed, find_untrusted, path_for
from llm_gateway.locations import LocationError, expand_user
from llm_gateway.model.invocation import Invocation
from llm_gateway.model.provider import DECLARED, ProviderInfo
from llm_gateway.model.request import Request
from llm_gateway.programs import file_facts
from llm_gateway.version_managers import ShimError, command_of

if TYPE_CHECKING:
    from llm_gateway.settings import Settings

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
#: Variables that any program needs on this machine. None of them names an account or redirects a model's traffic.
BASE_ENVIRONMENT = [
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "TMPDIR", "TMP", "TEMP", "XDG_*"),
    *("LANG", "LANGUAGE", "LC_*", "TZ"),
    *MANAGERS,
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *_PROXIES,
    *map(str.upper, _PROXIES),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A CLI's executable, and an identity that differs between builds and needs no run of the program."""

    path: str  #: of the program itself, not of a version manager's shim
    identity: str  #: real path, size and modification time
    interpreter: tuple[
        str, ...
    ] = ()  #: runs the program, if its own first line could find another one in the working directory

    @property
    def command(self) -> tuple[str, ...]:
        """The words that run the program."""
        return (*self.interpreter, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSearch:
    """The search for a provider's program. Hashable: equal searches find the same program."""

    name: str  #: a bare name, or an absolute path of the operator's; empty: nothing can be found
    folders: tuple[str, ...] = ()  #: the folders of the program's own installer

    def find(self, environ: Mapping[str, str]) -> str | None:
        """Return the path of the program, or None. Blocking: a few stat calls."""
        return find_installed(self.name, environ, self.folders) if self.name else None


#: How long a found program is used without another search, in seconds. One request asks for it several times, and a search takes
#: up to a hundred calls of the system. A program that appears earlier in the order of folders is noticed after this time.
_SEARCH_AGAIN_S = 2.0
_MOST_FOUND = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The result of a search, and the facts by which it is known to be valid still."""

    program: Program
    places: tuple[str, ...]  #: the program, its folder, and the folder of the file behind its links
    facts: tuple[object, ...]
    searched_at: float

    @property
    def is_unchanged(self) -> bool:
        return file_facts(*self.places) == self.facts


_found: dict[tuple[object, ...], _Found] = {}


def program_search(info: ProviderInfo, override: Path | None, environ: Mapping[str, str]) -> ProgramSearch:
    """Return the search for a provider's program. An operator's path is used only if it is absolute."""
    if override is None:
        return ProgramSearch(name=info.executable, folders=info.program_folders)
    try:
        path = expand_user(str(override), environ)
    except LocationError:  # `~name` of a user who does not exist
        path = ""
    return ProgramSearch(name=path if os.path.isabs(path) else "")


def find_program(info: ProviderInfo, override: Path | None, environ: Mapping[str, str]) -> Program | None:
    """Find the executable; None when it is not installed. Blocking: a few stat calls, or a version manager's answer.

    See `find_installed` for the places, `version_managers` for shims.
    """
    search = program_search(info, override, environ)
    key = (search, *environ.items())
    known = _found.get(key)
    if known is not None and time.monotonic() - known.searched_at < _SEARCH_AGAIN_S and known.is_unchanged:
        return known.program
    found = search.find(environ)
    if found is None:
        return None
    try:
        *interpreter, path = command_of(found, environ)
    except ShimError:
        return None
    real = os.path.realpath(path)
    facts = os.stat(real)
    identity = f"{real}:{facts.st_size}:{facts.st_mtime_ns}"
    program = Program(path=path, identity=identity, interpreter=tuple(interpreter))
    if len(_found) >= _MOST_FOUND:
        _found.clear()
    places = tuple(dict.fromkeys((found, path, os.path.dirname(found), os.path.dirname(real))))
    _found[key] = _Found(program=program, places=places, facts=file_facts(*places), searched_at=time.monotonic())
    return program


def override_for(whole: ProviderInfo, info: ProviderInfo, override: Path | None) -> Path | None:
    """Return the operator's path for one variant; None if the path names the program of another variant."""
    others = {other.executable for other in whole.programs.values()} - {info.executable}
    return None if override is None or override.name in others else override


def require_program(
    whole: ProviderInfo, wanted: str, override: Path | None, environ: Mapping[str, str]
) -> tuple[ProviderInfo, Program]:
    """Find the program of the wanted variant, or of the first installed one. Returns it with the facts about this variant.

    The variant whose program the override names is tried before the others. Raises NotInstalled with the command that installs
    the program.
    """
    asked = [whole.of(wanted)] if wanted else list(whole.programs.values())
    if override and any(info.executable == override.name for info in asked):
        asked.sort(key=lambda info: info.executable != override.name)
    for info in asked:
        if program := find_program(info, override_for(whole, info, override), environ):
            return info, program
    raise _not_installed(asked[0], override, environ)


def _not_installed(info: ProviderInfo, override: Path | None, environ: Mapping[str, str]) -> NotInstalled:
    install = f"Install it: {info.install}" if info.install else None
    if problem := _shim_problem(info, override, environ):
        return NotInstalled(
            f"{info.title}: {problem}",
            recovery=f"Correct the version manager's own settings, or set executable under [providers.{info.name}] in the "
            "settings to the path of the program itself.",
        )
    if override is not None:
        missing = f"{info.title}: `{override}` was not found (executable under [providers.{info.name}] in the settings)"
        return NotInstalled(missing, recovery=install)
    missing = f"{info.title}: `{info.executable}` was not found on the gateway's PATH or where people install programs"
    if unsafe := find_untrusted(info.executable, environ, info.program_folders):
        return NotInstalled(
            f"{missing}. {unsafe} is not used, because another user can change it or owns it",
            recovery=f"Remove others' permission to write to it and its folder. To use it as it is, set "
            f'executable = "{unsafe}" under [providers.{info.name}] in the settings.',
        )
    return NotInstalled(missing, recovery=install)


def _shim_problem(info: ProviderInfo, override: Path | None, environ: Mapping[str, str]) -> str:
    """Return why the program behind a version manager's shim cannot be found. Empty: there is no such shim."""
    found = program_search(info, override, environ).find(environ)
    try:
        if found is not None:
            command_of(found, environ)
    except ShimError as error:
        return str(error)
    return ""


def check_held(info: ProviderInfo, request: Request, servers_named: bool) -> None:
    """Raise InvalidRequest for a parameter that the CLI cannot hold: no parameter is ignored."""
    for shown in (to_camel(name) for name in DECLARED if getattr(request, name)):
        if shown not in info.supports:
            raise InvalidRequest(f"{info.name} cannot hold {shown}", recovery=f"Leave {shown} out.")
    if servers_named and "mcpServers" not in info.supports:
        raise InvalidRequest(f"{info.name} cannot be given MCP servers", recovery="Leave mcpServers out.")
    if info.read_config is None and not request.instructions:
        raise InvalidRequest(
            f"{info.name} cannot leave out instruction files",
            recovery="Leave out instructions, or choose another agent.",
        )
    if info.silent and request.idle_timeout_s is not None:
        raise InvalidRequest(
            f"{info.name} prints only when it ends, so idleTimeoutMs would end healthy runs",
            recovery="Use timeoutMs, the wall clock.",
        )


def inherited_environment(
    environ: Mapping[str, str], *, allowed: Iterable[str], passed: Iterable[str]
) -> dict[str, str]:
    """Return the variables that a run gets from the gateway's environment, by an allow-list. Pure.

    :param allowed: the names on the provider's allow-list.
    :param passed: further names, from the operator.
    """
    names = [*BASE_ENVIRONMENT, *allowed, *passed]
    exact = {name for name in names if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return {name: value for name, value in environ.items() if name in exact or (prefixes and name.startswith(prefixes))}


def run_environment(
    environ: Mapping[str, str],
    *,
    allowed: Iterable[str],
    passed: Iterable[str],
    fixed: Mapping[str, str],
    added: Mapping[str, str],
    depth: int,
) -> dict[str, str]:
    """Build a run's whole environment from an allow-list. Pure. See the two functions that it consists of."""
    inherited = inherited_environment(environ, allowed=allowed, passed=passed)
    return complete_environment(inherited, fixed=fixed, added=added, depth=depth)


def complete_environment(
    inherited: Mapping[str, str], *, fixed: Mapping[str, str], added: Mapping[str, str], depth: int
) -> dict[str, str]:
    """Build a run's whole environment. Pure. Only this function builds it.

    :param inherited: the result of `inherited_environment`.
    :param fixed: variables with values, from the operator.
    :param added: variables with values, from the invocation.
    """
    made = {**inherited, **added, **fixed, "LLM_GATEWAY_DEPTH": str(depth)}
    if "PATH" in made:  # a relative or empty entry would be the working directory, whose content is not the user's
        made["PATH"] = clean_path(made["PATH"])
    return made


class RunEnvironments:
    """The environments of the runs of one gateway. Its settings and its own environment do not change, so what a run inherits is
    selected once for each program.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._inherited: dict[tuple[str, str], Mapping[str, str]] = {}

    def of(
        self, info: ProviderInfo, added: Mapping[str, str], *, depth: int, also_passed: Iterable[str] = ()
    ) -> dict[str, str]:
        """Return the environment of a run of this program.

        :param added: variables with values, from the user's settings of the program and from the invocation.
        :param also_passed: names that the user's settings of the program refer to.
        """
        own, key = self._settings.provider(info.name), (info.name, info.variant)
        if key not in self._inherited:
            self._inherited[key] = inherited_environment(self._environ, allowed=info.env, passed=own.env_pass)
        named = {name: self._environ[name] for name in also_passed if name in self._environ}
        return complete_environment(self._inherited[key], fixed=own.env, added={**named, **added}, depth=depth)


def environment_for(program: Program, environment: Mapping[str, str]) -> dict[str, str]:
    """Return a run's environment in which its program finds the programs installed beside it. Blocking: a few stat calls."""
    return {**environment, "PATH": path_for(program.path, environment.get("PATH"))}


def check_directories(working_dir: str, add_dirs: Iterable[str]) -> None:
    """Raise InvalidRequest for a directory that does not exist. Blocking: one stat call for each."""
    if not working_dir:
        raise InvalidRequest(
            "workingDir is missing, and the directory of this conversation is unknown",
            recovery="Pass workingDir (on the command line --dir): the absolute path of the directory to work in.",
        )
    for name, path in [("workingDir", working_dir), *(("addDirs", path) for path in add_dirs)]:
        if not Path(path).is_dir():
            raise InvalidRequest(f"{name}: there is no directory {path}")


def check_invocation(invocation: Invocation) -> None:
    """Raise InvalidRequest for parameters that the system cannot execute, before anything is stored."""
    for element in [*invocation.argv, *invocation.env, *invocation.env.values()]:
        if "\0" in element:
            raise InvalidRequest("a parameter contains a NUL byte", recovery="Remove the NUL bytes.")
        try:
            size = len(os.fsencode(element))
        except UnicodeEncodeError as error:
            raise InvalidRequest("a parameter contains characters that no program can be given") from error
        if size >= 128 * 1024:  # Linux: MAX_ARG_STRLEN
            raise InvalidRequest(f"a parameter of {size:,} bytes is too long for a command line (128 KiB)")
