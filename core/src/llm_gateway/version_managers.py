"""The program behind a shim of a version manager: asdf, mise, nodenv, pyenv, rbenv, Volta.

A shim chooses its program by files of the current directory, such as `.tool-versions`, `mise.toml` or `package.json`, and these can
name any program: `node path:./here`. The current directory is the repository that an agent works on, and a program that a
repository names must not run. So the gateway asks the version manager in the root directory, where only the user's own choice
counts, and runs the program behind the shim. The same holds for the interpreter of a script that begins with `#!/usr/bin/env`.

Standard library only. Blocking: stat calls, and for a shim a run of its version manager, which takes about 20 ms and is repeated
when one of the files has changed, or after 30 s.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_gateway.files import read_regular
from llm_gateway.installations import probe_environment
from llm_gateway.owned_processes import owned
from llm_gateway.programs import file_facts, find_executable

#: A shim that is a link to one program: the name of that program -> the version manager that tells what is behind it.
_LINKED = {"mise": "mise", "rtx": "rtx", "volta-shim": "volta"}
#: A shim that is a script, in a folder `shims`: the command that it executes.
_SCRIPT = re.compile(
    r"""^\s*exec\s+["']?(/[^"'\s]*/)?(asdf|mise|rtx|nodenv|pyenv|rbenv)["']?\s+(?:exec|x)\b""", re.MULTILINE
)
_ENV_LINE = re.compile(rb"#![ \t]*/(?:usr/)?bin/env[ \t]+(-S[ \t]+)?([^\r\n]+)")
_HEAD = 4096
_ANSWER_S = 10.0
_VALID_S = 30.0
_MOST_SHIMS = 3
_MOST_KNOWN = 64  #: answers


class ShimError(Exception):
    """The program behind a shim cannot be found. The text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manager:
    """The version manager that a shim belongs to."""

    name: str
    path: str  #: of its program; empty: on PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a version manager told, and the facts by which it is known to be valid still."""

    path: str
    facts: tuple[object, ...]
    asked_at: float


_answers: dict[tuple[object, ...], _Answer] = {}


def command_of(program: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that runs a program, the same in every current directory: perhaps an interpreter, then the program.

    :param program: its absolute path, perhaps of a shim.
    :param environ: PATH, where the interpreter of a script is searched, and the variables of the version managers.

    Raises ShimError.
    """
    path = behind_shim(program, environ)
    interpreter = _interpreter(path)
    found = find_executable(interpreter[0], environ) if interpreter else None
    if found is None or not is_shim(found):
        return (path,)
    return (behind_shim(found, environ), *interpreter[1:], path)


def is_shim(path: str) -> bool:
    """Return whether a file is the shim of a version manager."""
    return _manager(path) is not None


def behind_shim(path: str, environ: Mapping[str, str]) -> str:
    """Return the absolute path of the program behind a shim, or the path itself if it is none. Raises ShimError."""
    for _ in range(_MOST_SHIMS):
        manager = _manager(path)
        if manager is None:
            return path
        path = _answer(path, manager, environ)
    raise ShimError(f"{path} is a shim behind other shims")


def _manager(path: str) -> _Manager | None:
    real = os.path.realpath(path)
    linked = _LINKED.get(os.path.basename(real))
    if linked and os.path.basename(path) not in (os.path.basename(real), linked):
        return _Manager(name=linked, path=os.path.join(os.path.dirname(real), linked))
    if os.path.basename(os.path.dirname(path)) != "shims":
        return None
    script = _SCRIPT.search(_head(path).decode(errors="replace"))
    if script is None:
        return None
    folder, name = script.groups()
    return _Manager(name=name, path=f"{folder}{name}" if folder else "")


def _interpreter(path: str) -> Sequence[str]:
    """Return the words after `env` in the first line of a script; none: it is no such script."""
    line = _ENV_LINE.match(_head(path))
    if line is None:
        return ()
    several, words = line.groups()
    text = words.decode(errors="replace").strip()
    try:
        found = shlex.split(text) if several else [text]
    except ValueError:
        return ()
    # An option of env or a variable: such a line does more than to find a program.
    return () if not found or found[0].startswith("-") or "=" in found[0] else found


def _head(path: str) -> bytes:
    try:
        return read_regular(path, most_bytes=_HEAD, follow=True)
    except OSError:
        return b""


def _answer(shim: str, manager: _Manager, environ: Mapping[str, str]) -> str:
    asked = probe_environment(shim, environ)
    key = (shim, *sorted(asked.items()))
    known = _answers.get(key)
    if known and time.monotonic() - known.asked_at < _VALID_S and known.facts == file_facts(shim, known.path):
        return known.path
    path = _ask(shim, manager, asked)
    if len(_answers) >= _MOST_KNOWN:
        _answers.clear()
    _answers[key] = _Answer(path=path, facts=file_facts(shim, path), asked_at=time.monotonic())
    return path


def _ask(shim: str, manager: _Manager, environ: Mapping[str, str]) -> str:
    """Ask the version manager, in the root directory, which program a shim runs."""
    name = os.path.basename(shim)
    program = manager.path or find_executable(manager.name, environ)
    if program is None:
        raise ShimError(f"{shim} is a shim of {manager.name}, which was not found on PATH")
    command = [program, "which", name]
    try:
        with owned(environ) as variables:
            done = subprocess.run(
                command,
                cwd=os.sep,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_ANSWER_S,
                check=False,
                start_new_session=True,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"took longer than {_ANSWER_S:g} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        raise ShimError(f"{shim} is a shim of {manager.name}, and `{shlex.join(command)}` failed: {reason}") from error
    lines = done.stdout[:_HEAD].decode(errors="replace").split("\n")
    found = next((line.strip() for line in lines if os.path.isabs(line.strip())), "")
    if done.returncode == 0 and find_executable(found, {}) and os.path.realpath(found) != os.path.realpath(shim):
        return found
    said = done.stderr[:_HEAD].decode(errors="replace").strip().replace("\n", " ")[:200]
    raise ShimError(
        f"{shim} is a shim of {manager.name}, and `{shlex.join(command)}` names no program: {said or found or 'nothing'}"
    )
