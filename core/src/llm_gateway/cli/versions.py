"""Find the installed version of a provider's program by running it with a time limit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import anyio
from anyio import to_thread

from llm_gateway.errors import GatewayError, NotInstalled
from llm_gateway.installations import probe_environment
from llm_gateway.model.provider import BrokenVersions, ProviderInfo
from llm_gateway.owned_processes import owned
from llm_gateway.planning.configuration import ConfigReader
from llm_gateway.planning.invocation import Program, environment_for, require_program, run_environment
from llm_gateway.planning.surroundings import BoundedThreads
from llm_gateway.refused_versions import is_refused
from llm_gateway.settings import Settings
from llm_gateway.settings.model import ProviderSection
from llm_gateway.verified_versions import verified_build

TIMEOUT_S = 10.0
_KEPT = 4096
_OUTPUT_CHARS = 300
_REFUSED = (
    "{path} answers, but the last request to it failed with version_unsupported: it lacks options that the gateway uses; "
    "upgrade it"
)
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z]+)*")


#: The version of each build of a program, by its identity. A build is run only once.
_known_versions: dict[str, str] = {}


async def look_at_provider(
    provider: ProviderInfo, settings: Settings | None, environ: Mapping[str, str], *, anew: bool = False
) -> dict[str, Any]:
    """Return a report about a provider's program: path, version, login, problems. Uses no network.

    :param anew: run the program again, even if the version of this build is known.
    """
    section = settings.provider(provider.name) if settings else ProviderSection()
    info = next(iter(provider.programs.values()))
    report: dict[str, Any] = {"name": info.name, "title": info.title, "installed": False, "login": "unknown"}
    if info.login:
        report["loginCommand"] = info.login
    wanted_variant = provider.variant_of(None) or ""
    try:
        info, program = await to_thread.run_sync(require_program, provider, wanted_variant, section.executable, environ)
    except NotInstalled as error:
        problem = error.message.removeprefix(f"{info.title}: ")
        return {**report, "problem": problem, "install": info.install or None, "recovery": error.recovery}
    report.update(title=info.title, installed=True, path=program.path, version=None)
    if info.login:
        report["loginCommand"] = info.login
    if info.variant:
        report["variant"] = info.variant
    try:
        report["version"] = await version_of(info, program, settings, environ, anew=anew) or None
    except (OSError, TimeoutError) as error:
        return {**report, "problem": f"{program.path} {' '.join(info.version_argv)} {_reason(error)}"}
    report.update(await to_thread.run_sync(configuration_of, info, settings, environ))
    try:
        report["login"] = await _login(info, program, _environment(info, program, settings, environ), report["version"])
    except (OSError, TimeoutError) as error:
        report["problem"] = f"{program.path} {' '.join(info.login_argv)} {_reason(error)}"
    if settings is not None and await to_thread.run_sync(is_refused, settings.home, program.identity):
        report["problem"] = _REFUSED.format(path=program.path)
    if settings is not None:
        report.update(await to_thread.run_sync(_verified, info, program, settings))
    return {**report, **judge_version(info, report["version"])}


def configuration_of(
    info: ProviderInfo, settings: Settings | None, environ: Mapping[str, str], directory: str = ""
) -> dict[str, Any]:
    """Return whose configuration applies to a provider's runs, from which files, and the model and endpoint that result. Blocking.

    :param directory: the working directory; empty: only what applies in every directory.
    """
    if info.read_config is None or settings is None:
        return {}
    report: dict[str, Any] = {"source": settings.provider(info.name).config.value}
    try:
        config = ConfigReader(settings, environ, BoundedThreads()).read_now(info, directory)
    except GatewayError as error:
        return {"configuration": {**report, "problem": error.message}, "problem": error.message}
    report |= {"files": list(config.files), "instructionFiles": list(config.instruction_files)}
    report |= {"model": config.model, "endpoint": config.endpoint}
    return {"configuration": report}


def _verified(info: ProviderInfo, program: Program, settings: Settings) -> dict[str, Any]:
    """Return `verified`, the results of `llm-gateway verify` for this build; empty: it was not verified. Blocking."""
    build = verified_build(settings.home, info.name, info.variant, program.identity)
    if build is None:
        return {}
    return {"verified": {name: build[name] for name in ("at", "version", "made", "passed", "differs", "breaches")}}


def judge_version(info: ProviderInfo, version: str | None) -> dict[str, Any]:
    """Compare a version with what the provider's plugin knows: `seenToWork`, `inRange`, and `breaks` if something is known to fail."""
    if not version:
        return {}
    judged: dict[str, Any] = {}
    if info.versions_seen:
        judged["seenToWork"] = list(info.versions_seen)
        judged["inRange"] = in_range(version, info.versions_seen)
    breaks = what_breaks(version, info.versions_broken)
    if breaks:
        judged["breaks"] = breaks
    return judged


def what_breaks(version: str, broken: Sequence[BrokenVersions]) -> str:
    """Return what is known to fail with this version; empty: nothing is known."""
    numbers = _numbers(version)
    found = [
        entry.breaks
        for entry in broken
        if (not entry.since or numbers >= _numbers(entry.since))
        and (not entry.below or numbers < _numbers(entry.below))
    ]
    return "; ".join(found)


def program_of(provider: ProviderInfo, settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Return the path of the program that requests use, or None. Blocks for a few stat calls."""
    override = settings.provider(provider.name).executable
    try:
        return require_program(provider, provider.variant_of(None) or "", override, environ)[1].path
    except NotInstalled:
        return None


async def _login(info: ProviderInfo, program: Program, env: Mapping[str, str], version: str | None) -> str:
    """Return `yes`, `no` or `unknown`. Raises OSError or TimeoutError if the program cannot be run."""
    try:
        known = await to_thread.run_sync(info.logged_in, env)
    except Exception:  # from a plugin; the login is only information
        known = None
    if known is None and info.login_argv and _has_login_check(info, version):
        command = [*program.command, *info.login_argv]
        code, _ = await run_briefly(command, {**env, **info.login_env}, timeout_s=TIMEOUT_S)
        known = not code
    return {None: "unknown", True: "yes", False: "no"}[known]


def _has_login_check(info: ProviderInfo, version: str | None) -> bool:
    """Return whether `login_argv` is a check in this version. In another one it may be a prompt, which costs money."""
    if not info.login_since:
        return True
    return version is not None and _numbers(version) >= _numbers(info.login_since)


async def version_of(
    info: ProviderInfo, program: Program, settings: Settings | None, environ: Mapping[str, str], *, anew: bool = False
) -> str:
    """Return the version that a program prints; empty if it prints none.

    Raises OSError or TimeoutError if it cannot be run, and ChildProcessError (an OSError) if it fails.
    """
    if anew or program.identity not in _known_versions:
        command = [*program.command, *info.version_argv]
        env = await to_thread.run_sync(probe_environment, program.path, environ)
        code, output = await run_briefly(command, env, timeout_s=TIMEOUT_S)
        if code != 0:
            raise ChildProcessError(_failure(code, output))
        found = _VERSION.search(output)
        _known_versions[program.identity] = found[0] if found else ""
    return _known_versions[program.identity]


def in_range(version: str, seen: tuple[str, str]) -> str:
    """Compare a version with the first and last tested version.

    Returns `yes` (in between), `newer`, `older`, or `unreleased`: a build such as 1.2.0-nightly, which is not the version that
    was tested, whatever its numbers are.
    """
    if version in seen:
        return "yes"
    if not _NUMBERS.fullmatch(version):
        return "unreleased"
    numbers = _numbers(version)
    if numbers < _numbers(seen[0]):
        return "older"
    if numbers > _numbers(seen[1]):
        return "newer"
    return "yes"


def _numbers(version: str) -> tuple[int, ...]:
    plain = _NUMBERS.match(version)
    numbers = [int(part) for part in plain[0].split(".")] if plain else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _reason(error: OSError | TimeoutError) -> str:
    if isinstance(error, ChildProcessError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"did not answer within {TIMEOUT_S:.0f} s"
    return f"did not start: {error}"


def _failure(code: int, output: str) -> str:
    failure = f"failed with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
    end = " ".join(output.split())[-_OUTPUT_CHARS:]
    return f"{failure}: {end}" if end else failure


def _environment(
    info: ProviderInfo, program: Program, settings: Settings | None, environ: Mapping[str, str]
) -> Mapping[str, str]:
    section = settings.provider(info.name) if settings else ProviderSection()
    depth = settings.depth if settings else 0
    variables = run_environment(
        environ, allowed=info.env, passed=section.env_pass, fixed=section.env, added={}, depth=depth + 1
    )
    return environment_for(program, variables)


async def run_briefly(argv: Sequence[str], env: Mapping[str, str], *, timeout_s: float) -> tuple[int, str]:
    """Run a short program. Returns its exit code and its output: all of it, or the beginning and the end. Raises OSError, TimeoutError.

    It runs in an empty directory, so that it reads no project configuration. Its output goes to a file, so that a process that
    it leaves behind does not keep a pipe open.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        with owned(env, search=False) as variables:
            process = await anyio.open_process(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=variables,
                cwd=empty,
                start_new_session=True,
            )
            try:
                with anyio.fail_after(timeout_s):
                    code = await process.wait()
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                with anyio.CancelScope(shield=True):
                    await process.wait()
                    await process.aclose()
        size = output.seek(0, os.SEEK_END)
        output.seek(0)
        text = output.read(_KEPT)
        if size > 2 * _KEPT:
            output.seek(size - _KEPT)
            text += b"\n...\n"
        return code, (text + output.read(_KEPT)).decode("utf-8", "replace")
