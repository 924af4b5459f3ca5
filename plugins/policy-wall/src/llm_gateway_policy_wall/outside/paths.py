"""Which paths of this machine a program needs, and which repository a directory belongs to. Looks, changes nothing."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_FIRST_LINE = 256
_GIT_FILE = 4096
_LINKS = 40
_INTERPRETERS = 4  #: an interpreter may be a script as well


def expand(path: str, env: Mapping[str, str]) -> str | None:
    """A path with `~` and `${NAME:-default}` filled in; None: it is empty, or not absolute then."""
    home = env.get("HOME") or "/nonexistent"
    filled = _VARIABLE.sub(lambda found: env.get(found[1]) or found[2] or "", path)
    if filled == "~" or filled.startswith("~/"):
        filled = home + filled[1:]
    return os.path.normpath(filled) if os.path.isabs(filled) else None


def inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def resolve(path: str) -> tuple[str, list[tuple[str, str]]]:
    """A path without links, and the links on the way to it: where each stands (itself without links) and what it says."""
    links: list[tuple[str, str]] = []
    done, rest = "/", [part for part in path.split("/") if part]
    while rest and len(links) <= _LINKS:
        part = rest.pop(0)
        if part in (".", ".."):
            done = os.path.dirname(done) if part == ".." else done
            continue
        here = os.path.join(done, part)
        if not os.path.islink(here):
            done = here
            continue
        target = os.readlink(here)
        links.append((here, target))
        done = "/" if os.path.isabs(target) else done
        rest = [*(one for one in target.split("/") if one), *rest]
    return done, links


def program_paths(program: str, env: Mapping[str, str]) -> list[str]:
    """What must be visible so that a program starts: itself, its package, its interpreter, and the folders of PATH.

    :param program: an absolute path.
    """
    found: list[str] = []
    _follow(program, env, found, depth=0)
    for folder in _folders_of(env.get("PATH", os.defpath)):
        found += _installation(folder, env)
    home = os.path.realpath(env.get("HOME") or "/nonexistent")
    return [path for path in dict.fromkeys(found) if not inside(home, os.path.realpath(path))]


def _follow(program: str, env: Mapping[str, str], found: list[str], depth: int) -> None:
    real = os.path.realpath(program)
    found += [program, *_package(real, env)]
    interpreter = _interpreter(real, env)
    if interpreter and depth < _INTERPRETERS:
        _follow(interpreter, env, found, depth + 1)


def _package(path: str, env: Mapping[str, str]) -> list[str]:
    """The installation that a file belongs to: npm's packages, a Python environment with its base, or its `bin`'s own."""
    parts = path.split("/")
    if "node_modules" in parts:
        return ["/".join(parts[: parts.index("node_modules") + 1])]
    folder = os.path.dirname(path)
    for _ in range(4):
        if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
            return [folder, *_base_of(folder, env)]
        folder = os.path.dirname(folder)
    return _installation(os.path.dirname(path), env)


def _base_of(environment: str, env: Mapping[str, str]) -> list[str]:
    """The Python under a virtual environment."""
    with open(os.path.join(environment, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
        lines = file.read(1 << 16).splitlines()
    homes = [value.strip() for key, _, value in (line.partition("=") for line in lines) if key.strip() == "home"]
    return [path for home in homes if os.path.isabs(home) for path in _installation(os.path.realpath(home), env)]


def _installation(folder: str, env: Mapping[str, str]) -> list[str]:
    """A folder of programs, with what stands beside it if it is the `bin` of one installation (`bin`, `lib`, …).

    Not where that would open a home or `~/.local`, in which more than programs lies.
    """
    whole = os.path.dirname(folder)
    home = os.path.realpath(env.get("HOME") or "/nonexistent")
    shared = [home, os.path.join(home, ".local")]
    if os.path.basename(folder) != "bin" or not os.path.isdir(os.path.join(whole, "lib")):
        return [folder]
    return [folder] if any(inside(one, os.path.realpath(whole)) for one in shared) else [folder, whole]


def _interpreter(program: str, env: Mapping[str, str]) -> str | None:
    """The program in a script's first line, found as `env` finds it."""
    try:
        with open(program, "rb") as file:
            line = file.read(_FIRST_LINE).partition(b"\n")[0]
    except OSError:
        return None
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if not words:
        return None
    if os.path.isabs(words[0]):
        return words[0]
    places = (os.path.join(folder, words[0]) for folder in _folders_of(env.get("PATH", os.defpath)))
    return next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), None)


def _folders_of(path: str) -> list[str]:
    return [entry for entry in path.split(os.pathsep) if os.path.isabs(entry) and os.path.isdir(entry)]


def repository(directory: str) -> tuple[str | None, list[str]]:
    """The root of the repository that a directory lies in, and the folders outside of it where git keeps its state.

    Those are named by a `.git` file, which anybody may have written: they count only where git's own files there name the
    same working tree.
    """
    folder = directory
    while True:
        git = os.path.join(folder, ".git")
        if os.path.isdir(git) and not os.path.islink(git):
            return folder, []
        if os.path.isfile(git) and not os.path.islink(git):
            return folder, _state_of(git)
        if folder == os.path.dirname(folder):
            return None, []
        folder = os.path.dirname(folder)


def _state_of(git_file: str) -> list[str]:
    words = _read(git_file)
    if not words.startswith("gitdir:"):
        return []
    base = os.path.dirname(git_file)
    folder = os.path.realpath(os.path.join(base, words.removeprefix("gitdir:").strip()))
    if not os.path.isfile(os.path.join(folder, "HEAD")):
        return []
    back = _read(os.path.join(folder, "gitdir"))  # of a worktree
    if back and os.path.realpath(os.path.join(folder, back)) == os.path.realpath(git_file):
        shared = _read(os.path.join(folder, "commondir")) or "."
        whole = os.path.realpath(os.path.join(folder, shared))
        return [folder, whole] if inside(folder, os.path.join(whole, "worktrees")) else []
    config = _read(os.path.join(folder, "config"))  # of a submodule
    trees = re.findall(r"^\s*worktree\s*=\s*(.+?)\s*$", config, re.MULTILINE)
    return (
        [folder]
        if any(os.path.realpath(os.path.join(folder, tree)) == os.path.realpath(base) for tree in trees)
        else []
    )


def _read(path: str) -> str:
    """A small regular file; "" for anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            return file.read(_GIT_FILE).decode(errors="replace").strip()
    except OSError:
        return ""


def nested(directory: str, names: Iterable[str], *, most: int) -> list[str]:
    """Protected entries below the top of a directory, such as another repository's `.git`. Looks at `most` entries."""
    wanted, left = frozenset(names), most
    found: list[str] = []
    line = [directory]
    for folder in line:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            left -= 1
            if left < 0:
                return found
            if entry.is_symlink():
                continue
            if entry.name in wanted:
                if folder != directory:
                    found.append(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                line.append(entry.path)
    return found
