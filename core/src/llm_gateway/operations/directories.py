"""Find the directory of a call: named by the caller, offered by its client (MCP roots), or the gateway's own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import anyio
from anyio import to_thread

from llm_gateway.errors import InvalidRequest
from llm_gateway.locations import LocationError, path_of
from llm_gateway.model.operation import CallContext

_ASK = "Pass workingDir (on the command line --dir): the absolute path of the directory to work in."

#: How long the check of a directory may take, in seconds.
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory that exists."""

    path: str  #: absolute, symbolic links resolved: conversations are stored under this path
    spelled: str  #: absolute, as the caller wrote it; homes from before links were resolved have conversations under it


async def working_directory(given: str | None, context: CallContext, environ: Mapping[str, str]) -> Directory:
    """Return the directory of a call.

    :param given: the caller's `workingDir`: a path, which may begin with `~`, or a file URI. A relative path is relative to the
        directory that would be used without it.

    Without `given`: the first of the client's roots that is a directory, else the directory in which the gateway was started,
    unless that is `/` or was deleted. Raises InvalidRequest.
    """
    path = None if given is None else _path("workingDir", given, environ)
    if path is not None and os.path.isabs(path):
        with anyio.move_on_after(_LOOK_S):
            return await to_thread.run_sync(_existing, path, abandon_on_cancel=True)
        # The file system does not answer. The call is accepted at once, and the run reports the problem.
        return Directory(path=os.path.normpath(path), spelled=os.path.normpath(path))  # noqa: ASYNC240  # no file access
    roots = await context.roots() if context.roots else ()
    return await to_thread.run_sync(_from_default, path, tuple(roots), environ)


def other_directories(given: Iterable[str], beside: Directory | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the absolute paths of `addDirs`. Relative ones are relative to the working directory. Raises InvalidRequest."""
    paths = [_path("addDirs", item, environ) for item in given]
    if beside is None and not all(map(os.path.isabs, paths)):
        raise InvalidRequest(
            "addDirs holds a relative path, and there is no workingDir", recovery="Pass absolute paths."
        )
    base = beside.spelled if beside else "/"
    return tuple(os.path.normpath(os.path.join(base, path)) for path in paths)


def _path(name: str, text: str, environ: Mapping[str, str]) -> str:
    try:
        path = path_of(text, environ)
    except LocationError as error:
        raise InvalidRequest(f"{name}: {error}") from None
    if "\0" in path:
        raise InvalidRequest(f"{name} contains a NUL byte", recovery="Remove it: it cannot be passed on.")
    if not path:
        raise InvalidRequest(f"{name} is empty", recovery=_ASK)
    return path


def _existing(path: str) -> Directory:
    spelled = os.path.abspath(path)
    if not os.path.isdir(spelled):
        raise InvalidRequest(f"workingDir: there is no directory {spelled}")
    return Directory(path=os.path.realpath(spelled), spelled=spelled)


def _from_default(relative: str | None, roots: Sequence[str], environ: Mapping[str, str]) -> Directory:
    default = _first_directory(roots, environ)
    if default is None:
        default, why_not = _own_directory()
        if default is None:
            missing = "workingDir is missing" if relative is None else f"workingDir is {relative}, a relative path"
            raise InvalidRequest(f"{missing}, and {why_not}; the client offers no directory (MCP roots)", recovery=_ASK)
    return _existing(os.path.join(default, relative or ""))


def _first_directory(roots: Sequence[str], environ: Mapping[str, str]) -> str | None:
    return next(filter(None, (_directory_of(root, environ) for root in roots)), None)


def _directory_of(root: str, environ: Mapping[str, str]) -> str | None:
    """Return the directory of a root; None: it is on another machine, of another scheme, deleted, `/`, or has a NUL byte."""
    try:
        path = path_of(root, environ)
        usable = os.path.isabs(path) and os.path.realpath(path) != "/" and os.path.isdir(path)
    except ValueError:
        return None
    return path if usable else None


def _own_directory() -> tuple[str | None, str]:
    """Return the directory in which this process was started; None with the reason if it cannot be used."""
    try:
        own = os.getcwd()
    except OSError:
        return None, "the directory in which the gateway was started was deleted"
    if os.path.realpath(own) == "/":
        return None, "the gateway was started in /"
    return own, ""
