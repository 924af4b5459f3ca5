"""Find the programs that the gateway runs. Standard library only.

Only absolute directories of PATH are searched. A relative or empty entry means "the current directory" to a shell, and the
current directory is the repository that an agent works on: a program in it must not run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from functools import lru_cache

_OWN_COMMANDS = frozenset(("llm-gateway", "llm-gateway-mcp", "llm_gateway.cli"))


def search_directories(path: str | None) -> list[str]:
    """Return the absolute directories of a PATH value, in order, without duplicates. None means the system's default PATH."""
    return list(_absolute_entries(os.defpath if path is None else path))


@lru_cache(maxsize=16)  # each request needs it several times
def _absolute_entries(path: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry for entry in path.split(os.pathsep) if os.path.isabs(entry)))


def find_executable(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the absolute path of a program, or None. Blocking: a few stat calls.

    :param name: a bare name, which is searched in the absolute directories of `environ["PATH"]`, or an absolute path, which is
        returned if it is executable. For a relative path with a slash the result is None.
    """
    if os.path.isabs(name):
        return name if _is_executable(name) else None
    if os.sep in name or not name:
        return None
    candidates = (os.path.join(folder, name) for folder in search_directories(environ.get("PATH")))
    return next((candidate for candidate in candidates if _is_executable(candidate)), None)


def file_facts(*paths: str) -> tuple[object, ...]:
    """Return what differs when one of these files was replaced or written, or owner or permissions of a folder changed."""
    return tuple(_facts_of(path) for path in paths)


def _facts_of(path: str) -> tuple[object, ...]:
    try:
        facts = os.stat(path)
    except OSError as error:
        return (error.errno,)
    identity = (facts.st_dev, facts.st_ino, facts.st_mode, facts.st_uid)
    if stat.S_ISREG(facts.st_mode):
        return (*identity, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return identity


def starts_gateway(command: str, arguments: Iterable[str]) -> bool:
    """Return whether a command line starts an LLM Gateway. An agent that gets such an MCP server can call the gateway again."""
    return not _OWN_COMMANDS.isdisjoint([os.path.basename(command), *arguments])


def _is_executable(path: str) -> bool:
    try:
        return os.path.isfile(path) and os.access(path, os.X_OK)
    except ValueError:  # the path contains a NUL byte
        return False
