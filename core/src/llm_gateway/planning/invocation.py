"""Step 4: the provider's argv, its program on this machine, and the environment that it may see."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic.alias_generators import to_camel

from llm_gateway.errors import InvalidRequest, NotInstalled
from llm_gateway.installations import MANAGERS, clean_path, find_elsewhere, path_for
from llm_gateway.locations import expand_user
from llm_gateway.model.invocation import Invocation
from llm_gateway.model.provider import DECLARED, ProviderInfo
from llm_gateway.model.request import Request
from llm_gateway.programs import find_executable

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
#: What any program needs to find its way on this machine; nothing that names an account or redirects a model's traffic.
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
    """A CLI's executable, and what tells one build of it from another without running it."""

    path: str
    identity: str  #: real path, size and modification time


def find_program(info: ProviderInfo, override: Path | None, environ: Mapping[str, str]) -> Program | None:
    """Find the executable; None when it is not installed. Blocking: a few stat calls.

    Only absolute directories of PATH count, so that a working directory cannot plant a program; after them the directory of
    this interpreter, where pip puts the programs of the gateway's own environment.
    """
    name = info.executable
    if override is not None:
        name = expand_user(str(override), environ)
        found = find_executable(name, environ) if os.path.isabs(name) else None
    else:
        beside = {"PATH": os.path.dirname(sys.executable)}
        found = find_executable(name, environ) or find_executable(name, beside)
    if found is None:
        return None
    real = os.path.realpath(found)
    facts = os.stat(real)
    return Program(path=found, identity=f"{real}:{facts.st_size}:{facts.st_mtime_ns}")


def require_program(
    whole: ProviderInfo, wanted: str, override: Path | None, environ: Mapping[str, str]
) -> tuple[ProviderInfo, Program]:
    """Find the program of the wanted variant, or of the first that is here; with it comes what is true of it.

    An override counts for the variant whose program it names, and before the others. Raises NotInstalled with the command
    that installs it.
    """
    ours = {info.executable for info in whole.programs.values()}
    asked = [whole.of(wanted)] if wanted else list(whole.programs.values())
    if override and override.name in ours:
        asked.sort(key=lambda info: info.executable != override.name)
    for info in asked:
        here = override if override and (override.name == info.executable or override.name not in ours) else None
        if program := find_program(info, here, environ):
            return info, program
    info = asked[0]
    where = f"at {override}" if override else "on the gateway's PATH"
    missing = f"{info.title}: `{override or info.executable}` was not found {where}"
    if elsewhere := find_elsewhere(info.executable, environ):
        raise NotInstalled(
            f"{missing}, but it is installed as {elsewhere}",
            recovery=f'Set executable = "{elsewhere}" under [providers.{info.name}] in the settings, or put '
            f"{os.path.dirname(elsewhere)} on the PATH of the program that starts the gateway.",
        )
    raise NotInstalled(missing, recovery=f"Install it: {info.install}" if info.install else None)


def check_held(info: ProviderInfo, request: Request, servers_named: bool) -> None:
    """Raise InvalidRequest for what was asked and the CLI cannot hold: nothing is ignored."""
    for shown in (to_camel(name) for name in DECLARED if getattr(request, name)):
        if shown not in info.supports:
            raise InvalidRequest(f"{info.name} cannot hold {shown}", recovery=f"Leave {shown} out.")
    if servers_named and "mcpServers" not in info.supports:
        raise InvalidRequest(f"{info.name} cannot be given MCP servers", recovery="Leave mcpServers out.")
    if info.silent and request.idle_timeout_s is not None:
        raise InvalidRequest(
            f"{info.name} prints only when it ends, so idleTimeoutMs would end healthy runs",
            recovery="Use timeoutMs, the wall clock.",
        )


def run_environment(
    environ: Mapping[str, str],
    *,
    allowed: Iterable[str],
    passed: Iterable[str],
    fixed: Mapping[str, str],
    added: Mapping[str, str],
    depth: int,
) -> dict[str, str]:
    """Build a run's whole environment from an allow-list. Pure; the one place where it is made.

    :param allowed: the provider's names; `passed` and `fixed`: the operator's; `added`: the invocation's own.
    """
    names = [*BASE_ENVIRONMENT, *allowed, *passed]
    exact = {name for name in names if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    kept = {name: value for name, value in environ.items() if name in exact or (prefixes and name.startswith(prefixes))}
    made = {**kept, **added, **fixed, "LLM_GATEWAY_DEPTH": str(depth)}
    if "PATH" in made:  # a relative or empty entry would be the working directory, whose content is not the user's
        made["PATH"] = clean_path(made["PATH"])
    return made


def environment_for(program: Program, environment: Mapping[str, str]) -> dict[str, str]:
    """Return a run's environment in which its program finds what is installed beside it. Blocking: a few stat calls."""
    return {**environment, "PATH": path_for(program.path, environment.get("PATH"))}


def check_directories(working_dir: str, add_dirs: Iterable[str]) -> None:
    """Raise InvalidRequest for a directory that is not there. Blocking: a stat call each."""
    if not working_dir:
        raise InvalidRequest(
            "workingDir is missing: nothing is known of this conversation's directory",
            recovery="Pass workingDir (on the command line --dir): the absolute path of the directory to work in.",
        )
    for name, path in [("workingDir", working_dir), *(("addDirs", path) for path in add_dirs)]:
        if not Path(path).is_dir():
            raise InvalidRequest(f"{name}: there is no directory {path}")


def check_invocation(invocation: Invocation) -> None:
    """Raise InvalidRequest for what the system could not execute, before anything is stored."""
    for element in [*invocation.argv, *invocation.env, *invocation.env.values()]:
        if "\0" in element:
            raise InvalidRequest("a parameter contains a NUL byte", recovery="Remove the NUL bytes.")
        try:
            size = len(os.fsencode(element))
        except UnicodeEncodeError as error:
            raise InvalidRequest("a parameter contains characters that no program can be given") from error
        if size >= 128 * 1024:  # Linux: MAX_ARG_STRLEN
            raise InvalidRequest(f"a parameter of {size:,} bytes is too long for a command line (128 KiB)")
