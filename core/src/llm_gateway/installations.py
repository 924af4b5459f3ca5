"""Find programs outside PATH, and build the environment that they need. Standard library only. Blocks for a few stat calls.

Version managers install a program and its interpreter in one folder. They add that folder to the PATH of a shell, but a desktop
client that starts the gateway has a shorter PATH.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping

from llm_gateway.files import read_regular
from llm_gateway.locations import user_home
from llm_gateway.programs import search_directories

#: Environment variables with the folders of version managers.
MANAGERS = (
    *("ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR", "MISE_CONFIG_DIR", "MISE_CACHE_DIR", "MISE_STATE_DIR"),
    *("NVM_DIR", "VOLTA_HOME", "BUN_INSTALL", "PNPM_HOME"),
)
_MOST_LINKS = 16
_MOST_VERSIONS = 50
_HOMEBREW = ("/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/usr/local/bin")


def clean_path(path: str | None) -> str:
    """Return a PATH value without relative and empty entries, which mean the current directory.

    An empty PATH would also mean the current directory, so the result is then the system's default PATH.
    """
    return os.pathsep.join(search_directories(path) or search_directories(None))


def path_for(program: str, path: str | None) -> str:
    """Return the PATH for running a program: the given PATH, cleaned, then the folders of the program.

    :param program: its absolute path. Its folders are the folder of this path and the folders of all symlinks on the way to the
        file. A folder is left out if its owner is neither this user nor root, or if all users can write to it.
    """
    known = search_directories(clean_path(path))
    added = [folder for folder in _own_folders(program) if folder not in known and _trusted(folder)]
    return os.pathsep.join([*known, *dict.fromkeys(added)])


def probe_environment(program: str, environ: Mapping[str, str], names: Iterable[str] = ()) -> dict[str, str]:
    """Return a minimal environment for a program's `--version` and similar calls: what it needs to start, and the variables `names`."""
    wanted = {"HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT", *MANAGERS, *names}
    kept = {name: environ[name] for name in sorted(wanted) if name in environ}
    return {**kept, "PATH": path_for(program, environ.get("PATH"))}


def gateway_command() -> tuple[str, ...]:
    """Return the command that starts `llm-gateway` of this installation. It works in any current directory."""
    script = os.path.join(os.path.dirname(sys.executable), "llm-gateway")
    if os.path.isfile(script) and os.access(script, os.X_OK):
        return (script,)
    safe = ("-P",) if sys.version_info >= (3, 11) else ()  # without -P, `-m` imports from the current directory first
    return (sys.executable, *safe, "-m", "llm_gateway.cli")


def find_elsewhere(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the path of a program in one of the usual installation folders that may be missing in PATH, or None."""
    for folder in _install_folders(environ):
        path = os.path.join(folder, name)
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _own_folders(program: str) -> Iterator[str]:
    path = program
    for _ in range(_MOST_LINKS):
        folder = os.path.dirname(path)
        yield folder
        if os.path.basename(folder) == "shims":  # an asdf shim runs `asdf`, which is in this folder
            yield os.path.join(os.path.dirname(folder), "bin")
        try:
            target = os.readlink(path)
        except OSError:  # not a symlink: this is the program file
            return
        path = os.path.normpath(os.path.join(folder, target))


def _trusted(folder: str) -> bool:
    try:
        facts = os.stat(folder)
    except OSError:
        return False
    safe_owner = facts.st_uid in (0, os.geteuid())
    world_writable = bool(facts.st_mode & stat.S_IWOTH)
    return os.path.isabs(folder) and stat.S_ISDIR(facts.st_mode) and safe_owner and not world_writable


def _install_folders(environ: Mapping[str, str]) -> Iterator[str]:
    home = user_home(environ, "/")

    def at(variable: str, default: str) -> str:
        return environ.get(variable) or os.path.join(home, default)

    for folder in (".local/bin", "bin", ".cargo/bin", "go/bin", ".npm-global/bin", ".npm-packages/bin", ".yarn/bin"):
        yield os.path.join(home, folder)
    for prefix in _npm_prefixes(environ, home):
        yield os.path.join(prefix, "bin")
    yield from _versions(os.path.join(at("NVM_DIR", ".nvm"), "versions/node"), "bin")
    yield from _versions(os.path.join(home, ".local/share/fnm/node-versions"), "installation/bin")
    yield os.path.join(at("VOLTA_HOME", ".volta"), "bin")
    mise, asdf = at("MISE_DATA_DIR", ".local/share/mise"), at("ASDF_DATA_DIR", ".asdf")
    for base in (mise, asdf):
        yield os.path.join(base, "shims")
    yield from _versions(os.path.join(mise, "installs/node"), "bin")
    yield from _versions(os.path.join(asdf, "installs/nodejs"), "bin")
    yield os.path.join(at("BUN_INSTALL", ".bun"), "bin")
    for folder in (at("PNPM_HOME", ".local/share/pnpm"), os.path.join(home, "Library/pnpm")):
        yield folder
        yield os.path.join(folder, "bin")
    yield from _HOMEBREW
    yield "/snap/bin"


def _versions(base: str, below: str) -> list[str]:
    """Return the folders of the versions that a version manager has installed, newest first."""
    try:
        names = sorted(os.listdir(base), key=_as_version, reverse=True)
    except OSError:
        return []
    return [os.path.join(base, name, below) for name in names[:_MOST_VERSIONS]]


def _as_version(name: str) -> tuple[tuple[int, ...], str]:
    parts = name.lstrip("v").split(".")
    return tuple(int(part) for part in parts if part.isdecimal() and len(part) < 10), name


def _npm_prefixes(environ: Mapping[str, str], home: str) -> Iterator[str]:
    for variable in ("npm_config_prefix", "NPM_CONFIG_PREFIX"):
        if environ.get(variable):
            yield environ[variable]
    try:
        lines = read_regular(os.path.realpath(os.path.join(home, ".npmrc")), most_bytes=100_000)
    except OSError:
        return
    for line in lines.decode("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() == "prefix":
            yield value.strip().strip("\"'").replace("${HOME}", home).replace("~", home, 1)
