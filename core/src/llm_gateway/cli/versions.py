"""Which version of a provider's program is installed: asks the program, and never for long."""

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

from llm_gateway.errors import NotInstalled
from llm_gateway.installations import probe_environment
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.planning.invocation import Program, environment_for, require_program, run_environment
from llm_gateway.settings import Settings
from llm_gateway.settings.model import ProviderSection

TIMEOUT_S = 10.0
_KEPT = 4096
_WORDS_CHARS = 300
_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z]+)*")


#: What each build of a program said, by its identity: it is asked once.
_told: dict[str, str] = {}


async def look_at_provider(
    whole: ProviderInfo, settings: Settings | None, environ: Mapping[str, str], *, anew: bool = False
) -> dict[str, Any]:
    """What can be known of a provider without a network call.

    :param anew: ask for the version, although the same build has told it before.
    """
    section = settings.provider(whole.name) if settings else ProviderSection()
    info = next(iter(whole.programs.values()))
    seen: dict[str, Any] = {"name": info.name, "title": info.title, "installed": False, "login": "unknown"}
    seen |= {"loginCommand": info.login} if info.login else {}
    wanted_variant = whole.variant_of(None) or ""
    try:
        info, program = await to_thread.run_sync(require_program, whole, wanted_variant, section.executable, environ)
    except NotInstalled as error:
        missing = error.message.removeprefix(f"{info.title}: ")
        return {**seen, "problem": missing, "install": info.install or None, "recovery": error.recovery}
    seen |= {"title": info.title, "installed": True, "path": program.path, "version": None}
    seen |= {"loginCommand": info.login} if info.login else {}
    if info.variant:
        seen["variant"] = info.variant
    try:
        seen["version"] = await version_of(info, program, settings, environ, anew=anew) or None
        seen["login"] = await _login(info, program, _environment(info, program, settings, environ))
    except (OSError, TimeoutError) as error:
        return {**seen, "problem": f"{program.path} {' '.join(info.version_argv)} {_why(error)}"}
    if info.versions_seen and seen["version"]:
        seen |= {"seenToWork": list(info.versions_seen), "inRange": in_range(seen["version"], info.versions_seen)}
    return seen


def program_of(whole: ProviderInfo, settings: Settings, environ: Mapping[str, str]) -> str | None:
    """The path of the program that requests get; None: there is none. Blocking: a few stat calls."""
    override = settings.provider(whole.name).executable
    try:
        return require_program(whole, whole.variant_of(None) or "", override, environ)[1].path
    except NotInstalled:
        return None


async def _login(info: ProviderInfo, program: Program, env: Mapping[str, str]) -> str:
    """`yes`, `no` or `unknown`. Raises OSError or TimeoutError when the program cannot be asked."""
    try:
        known = await to_thread.run_sync(info.logged_in, env)
    except Exception:  # a plugin's; nothing depends on it
        known = None
    if known is None and info.login_argv:
        code, _ = await run_briefly([program.path, *info.login_argv], env, timeout_s=TIMEOUT_S)
        known = not code
    return {None: "unknown", True: "yes", False: "no"}[known]


async def version_of(
    info: ProviderInfo, program: Program, settings: Settings | None, environ: Mapping[str, str], *, anew: bool = False
) -> str:
    """The version that a program tells; empty when it tells none.

    Raises OSError or TimeoutError when it cannot be asked, ChildProcessError (an OSError) when it fails.
    """
    if anew or program.identity not in _told:
        asked = [program.path, *info.version_argv]
        env = await to_thread.run_sync(probe_environment, program.path, environ)
        code, words = await run_briefly(asked, env, timeout_s=TIMEOUT_S)
        if code != 0:
            raise ChildProcessError(_ending(code, words))
        found = _VERSION.search(words)
        _told[program.identity] = found[0] if found else ""
    return _told[program.identity]


def in_range(version: str, seen: tuple[str, str]) -> str:
    """`yes`, `newer` or `older`: where a version stands to the ones that were seen to work."""
    here, first, last = (_numbers(one) for one in (version, *seen))
    return "older" if here < first else "newer" if here > last else "yes"


def _numbers(version: str) -> tuple[int, ...]:
    plain = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in plain[0].split(".")] if plain else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _why(error: OSError | TimeoutError) -> str:
    if isinstance(error, ChildProcessError):
        return str(error)
    return f"gave no answer in {TIMEOUT_S:.0f} s" if isinstance(error, TimeoutError) else f"did not start: {error}"


def _ending(code: int, words: str) -> str:
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
    said = " ".join(words.split())[-_WORDS_CHARS:]
    return f"{how}: {said}" if said else how


def _environment(
    info: ProviderInfo, program: Program, settings: Settings | None, environ: Mapping[str, str]
) -> Mapping[str, str]:
    section, depth = (settings.provider(info.name), settings.depth) if settings else (ProviderSection(), 0)
    made = run_environment(
        environ, allowed=info.env, passed=section.env_pass, fixed=section.env, added={}, depth=depth + 1
    )
    return environment_for(program, made)


async def run_briefly(argv: Sequence[str], env: Mapping[str, str], *, timeout_s: float) -> tuple[int, str]:
    """How a short program ends, and what it prints: the beginning, and of much output the end. Raises OSError, TimeoutError.

    It runs in an empty directory, so that no project's configuration is read, and prints into a file, so that a process that it
    leaves behind cannot hold us up.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        process = await anyio.open_process(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
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
        words = output.read(_KEPT)
        if size > 2 * _KEPT:
            output.seek(size - _KEPT)
            words += b"\n...\n"
        return code, (words + output.read(_KEPT)).decode("utf-8", "replace")
