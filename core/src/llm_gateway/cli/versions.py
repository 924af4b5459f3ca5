"""Which version of a provider's program is installed: asks the program, and never for long."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
from anyio import to_thread

from llm_gateway.dispatch.invocation import require_program, run_environment
from llm_gateway.errors import NotInstalled
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.settings import Settings
from llm_gateway.settings.model import ProviderSection

TIMEOUT_S = 10.0
_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z]+)*")


async def look_at_provider(
    whole: ProviderInfo, settings: Settings | None, environ: Mapping[str, str]
) -> dict[str, Any]:
    """What can be known of a provider without a network call."""
    section = settings.provider(whole.name) if settings else ProviderSection()
    info = next(iter(whole.programs.values()))
    seen: dict[str, Any] = {"name": info.name, "title": info.title, "installed": False, "login": "unknown"}
    if info.login:
        seen["loginCommand"] = info.login
    try:
        info, program = await to_thread.run_sync(require_program, whole, "", section.executable, environ)
    except NotInstalled:
        wanted = str(section.executable or info.executable)
        return {**seen, "problem": f"{wanted} was not found", "install": info.install or None}
    seen |= {"installed": True, "path": program.path, "version": None}
    env = run_environment(
        environ, allowed=info.env, passed=section.env_pass, fixed=section.env, added={}, depth=_depth(settings) + 1
    )
    try:
        _, words = await _first_words([program.path, *info.version_argv], env)
        if info.login_argv:
            code, _ = await _first_words([program.path, *info.login_argv], env)
            seen["login"] = "no" if code else "yes"
    except (OSError, TimeoutError) as error:
        why = f"gave no answer in {TIMEOUT_S:.0f} s" if isinstance(error, TimeoutError) else f"did not start: {error}"
        return {**seen, "problem": f"{program.path} {' '.join(info.version_argv)} {why}"}
    found = _VERSION.search(words)
    seen["version"] = found[0] if found else None
    if info.versions_seen and found:
        seen |= {"seenToWork": list(info.versions_seen), "inRange": in_range(found[0], info.versions_seen)}
    return seen


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


def _depth(settings: Settings | None) -> int:
    return settings.depth if settings else 0


async def _first_words(argv: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    """How a short program ends, and what it prints at first. To a file: a process that it leaves behind cannot hold us up."""
    with tempfile.TemporaryFile() as output:
        process = await anyio.open_process(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=tempfile.gettempdir(),  # a project folder's own configuration is none of our business
            start_new_session=True,
        )
        try:
            with anyio.fail_after(TIMEOUT_S):
                code = await process.wait()
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await process.wait()
                await process.aclose()
        output.seek(0)
        return code, output.read(4096).decode("utf-8", "replace")
