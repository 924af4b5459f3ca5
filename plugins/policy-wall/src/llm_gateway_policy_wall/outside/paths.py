"""Find the paths that a program needs, and the repository of a directory. Reads the disk, changes nothing."""

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
    """Return a path with `~` and `${NAME:-default}` replaced. None: the result is empty or not absolute."""
    home = env.get("HOME") or "/nonexistent"
    filled = _VARIABLE.sub(lambda found: env.get(found[1]) or found[2] or "", path)
    if filled == "~" or filled.startswith("~/"):
        filled = home + filled[1:]
    return os.path.normpath(filled) if os.path.isabs(filled) else None


def inside(path: str, folder: str) -> bool:
    """Return whether a path is the folder or inside of it."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def resolve(path: str) -> tuple[str, list[tuple[str, str]]]:
    """Resolve a path. Return the path without links, and the links in it: the resolved path of each link and its target."""
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
        rest = [*(name for name in target.split("/") if name), *rest]
    return done, links


def program_paths(program: str, env: Mapping[str, str]) -> list[str]:
    """Return what must be visible to start a program: its file, package and interpreter, and the folders of PATH.

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
    """Return the installation of a file: npm's packages, a Python environment with its base, or the folder around its `bin`."""
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
    """Return the base installation of a virtual environment."""
    with open(os.path.join(environment, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
        lines = file.read(1 << 16).splitlines()
    homes = [value.strip() for key, _, value in (line.partition("=") for line in lines) if key.strip() == "home"]
    return [path for home in homes if os.path.isabs(home) for path in _installation(os.path.realpath(home), env)]


def _installation(folder: str, env: Mapping[str, str]) -> list[str]:
    """Return a folder of programs, with its parent if it is the `bin` of an installation (`bin`, `lib`, …).

    Never return a parent that contains a home or `~/.local`, which hold other files.
    """
    parent = os.path.dirname(folder)
    home = os.path.realpath(env.get("HOME") or "/nonexistent")
    shared = [home, os.path.join(home, ".local")]
    if os.path.basename(folder) != "bin" or not os.path.isdir(os.path.join(parent, "lib")):
        return [folder]
    if any(inside(path, os.path.realpath(parent)) for path in shared):
        return [folder]
    return [folder, parent]


def _interpreter(program: str, env: Mapping[str, str]) -> str | None:
    """Return the interpreter in the first line of a script, searched as `env` does."""
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
    candidates = (os.path.join(folder, words[0]) for folder in _folders_of(env.get("PATH", os.defpath)))
    return next((path for path in candidates if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def _folders_of(path: str) -> list[str]:
    return [entry for entry in path.split(os.pathsep) if os.path.isabs(entry) and os.path.isdir(entry)]


def repository(directory: str) -> tuple[str | None, list[str]]:
    """Return the root of a directory's repository, and the folders outside of it where git stores its state.

    A `.git` file names those folders, and anyone could have written it. So they are accepted only if git's files in them name the
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
        common = os.path.realpath(os.path.join(folder, shared))
        return [folder, common] if inside(folder, os.path.join(common, "worktrees")) else []
    config = _read(os.path.join(folder, "config"))  # of a submodule
    trees = re.findall(r"^\s*worktree\s*=\s*(.+?)\s*$", config, re.MULTILINE)
    if any(os.path.realpath(os.path.join(folder, tree)) == os.path.realpath(base) for tree in trees):
        return [folder]
    return []


def _read(path: str) -> str:
    """Return the content of a small regular file; "" for anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            return file.read(_GIT_FILE).decode(errors="replace").strip()
    except OSError:
        return ""


def nested(directory: str, names: Iterable[str], *, most: int) -> list[str]:
    """Return protected entries in subfolders, such as another repository's `.git`. Reads at most `most` entries."""
    wanted, left = frozenset(names), most
    found: list[str] = []
    queue = [directory]
    for folder in queue:
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
                queue.append(entry.path)
    return found
