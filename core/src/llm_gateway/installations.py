"""Find programs outside PATH, and build the environment that they need. Standard library only. Blocks for a few stat calls.

Version managers put a program and its interpreter into one folder, and put that folder on the PATH of a shell. A desktop client
starts the gateway with a shorter PATH, so the gateway searches these folders as well.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from llm_gateway.files import read_regular
from llm_gateway.locations import user_home
from llm_gateway.programs import find_executable, search_directories

#: Environment variables with the folders of version managers.
MANAGERS = (
    *("ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR", "MISE_CONFIG_DIR", "MISE_CACHE_DIR", "MISE_STATE_DIR"),
    *("NVM_DIR", "VOLTA_HOME", "BUN_INSTALL", "PNPM_HOME"),
)
#: Where earlier versions of fnm and pipx installed on macOS. They still use it if it is there.
_MACOS_DATA = "Library/Application Support"
_MOST_LINKS = 16
_MOST_VERSIONS = 50
#: Folders that installers use for every user of a machine: Homebrew, MacPorts, Nix, snap.
_SYSTEM_FOLDERS = (
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/opt/local/bin",
    "/nix/var/nix/profiles/default/bin",
    "/run/current-system/sw/bin",
    "/snap/bin",
)
#: Folders below the user's home that installers use without a variable that moves them.
_HOME_FOLDERS = (
    *(".local/bin", "bin", ".cargo/bin", "go/bin"),
    *(".npm-global/bin", ".npm-packages/bin", ".yarn/bin", ".config/yarn/global/node_modules/.bin"),
    *(".linuxbrew/bin", ".nix-profile/bin"),
)


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


def find_installed(name: str, environ: Mapping[str, str], folders: Iterable[str] = ()) -> str | None:
    """Return the absolute path of a program, or None. The one search for the programs of providers.

    Searched in this order: the absolute directories of PATH, the directory of this interpreter (pip puts the programs of the
    gateway's own environment there), the given folders, then the folders in which package and version managers install. Outside
    of PATH a program counts only if this user or root owns it and its directory, and others can write to neither.

    :param name: a bare name, or an absolute path, which is returned if it can be executed.
    :param folders: where this program's own installer puts it: absolute paths, or paths that begin with `~`.
    """
    if found := find_executable(name, environ) or find_executable(name, {"PATH": os.path.dirname(sys.executable)}):
        return found
    return next((path for path in _installed(name, environ, folders) if is_trusted(path)), None)


def npm_prefix(npx: str, environ: Mapping[str, str]) -> str:
    """Return the folder in which npm installs for the user: its own setting, or the folder above the one that contains npx."""
    prefixes = _npm_prefixes(environ, user_home(environ, "/"))
    return next(filter(os.path.isabs, prefixes), os.path.dirname(os.path.dirname(npx)))


def find_untrusted(name: str, environ: Mapping[str, str], folders: Iterable[str] = ()) -> str | None:
    """Return the path of a program that `find_installed` does not use because another user could change it, or None."""
    return next((path for path in _installed(name, environ, folders) if not is_trusted(path)), None)


def searched_folders(environ: Mapping[str, str], folders: Iterable[str] = ()) -> list[str]:
    """Return the directories that `find_installed` searches, in order, each once; they need not exist."""
    on_path = search_directories(environ.get("PATH"))
    return list(dict.fromkeys([*on_path, os.path.dirname(sys.executable), *_outside_path(environ, folders)]))


def is_trusted(program: str) -> bool:
    """Return whether only this user and root can change a program: its folder, and the file and folder behind its links."""
    real = os.path.realpath(program)
    try:
        facts = os.stat(real)
    except OSError:
        return False
    ours = facts.st_uid in (0, os.geteuid()) and not facts.st_mode & stat.S_IWOTH
    return ours and _trusted(os.path.dirname(program)) and _trusted(os.path.dirname(real))


def _installed(name: str, environ: Mapping[str, str], folders: Iterable[str]) -> Iterator[str]:
    if not name or os.sep in name:
        return
    for folder in _outside_path(environ, folders):
        if path := find_executable(os.path.join(folder, name), {}):
            yield path


def _outside_path(environ: Mapping[str, str], folders: Iterable[str]) -> Iterator[str]:
    home = user_home(environ, "/")
    own = (os.path.join(home, folder[2:]) if folder.startswith("~/") else folder for folder in folders)
    return (folder for folder in (*own, *_install_folders(environ)) if os.path.isabs(folder))


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

    for place in _HOME_FOLDERS:
        yield os.path.join(home, place)
    for prefix in _npm_prefixes(environ, home):
        yield os.path.join(prefix, "bin")
    yield from _versions(os.path.join(at("NVM_DIR", ".nvm"), "versions/node"), "bin")
    for folder in (at("FNM_DIR", ".local/share/fnm"), os.path.join(home, _MACOS_DATA, "fnm")):
        yield from _versions(os.path.join(folder, "node-versions"), "installation/bin")
    yield from _versions(os.path.join(at("N_PREFIX", "n"), "n/versions/node"), "bin")
    yield os.path.join(at("N_PREFIX", "n"), "bin")
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
    yield from _python_tools(environ, at)
    if environ.get("HOMEBREW_PREFIX"):
        yield os.path.join(environ["HOMEBREW_PREFIX"], "bin")
    yield from _SYSTEM_FOLDERS


def _python_tools(environ: Mapping[str, str], at: Callable[[str, str], str]) -> Iterator[str]:
    """The folders of programs that uv and pipx installed, each in an environment of its own."""
    for variable in ("UV_TOOL_BIN_DIR", "PIPX_BIN_DIR", "XDG_BIN_HOME"):
        if environ.get(variable):
            yield environ[variable]
    data = at("XDG_DATA_HOME", ".local/share")
    yield from _folders_in(environ.get("UV_TOOL_DIR") or os.path.join(data, "uv/tools"), "bin")
    if environ.get("PIPX_HOME"):
        yield from _folders_in(os.path.join(environ["PIPX_HOME"], "venvs"), "bin")
    for base in (os.path.join(data, "pipx/venvs"), at("", ".local/pipx/venvs"), at("", f"{_MACOS_DATA}/pipx/venvs")):
        yield from _folders_in(base, "bin")


def _folders_in(base: str, below: str) -> list[str]:
    """A folder that stands in each folder of `base`, by name."""
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return []
    return [os.path.join(base, name, below) for name in names[:_MOST_VERSIONS]]


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
