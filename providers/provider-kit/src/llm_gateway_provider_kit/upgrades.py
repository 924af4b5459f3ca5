"""Find out how a program was installed, from its path, and plan the command that upgrades it there. Runs nothing.

A program of npm that another manager installed (bun, pnpm, yarn, volta, mise, Homebrew, Nix) lies in a `node_modules` folder too,
but only that manager can upgrade it: npm would change files behind its back. The layouts are those that the managers' manuals
describe; those of npm, pnpm, yarn, bun, uv and pipx were also looked at in 2026-11.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePath
from types import MappingProxyType

from llm_gateway import UpgradePlan, error_for
from llm_gateway.files import read_regular

__all__ = ["Package", "pip_command", "plan_upgrade"]

_NOTHING: Mapping[str, str] = MappingProxyType({})
_MOST_LINKS = 16
_MOST_SHIM_BYTES = 64 * 1024
_STORE_NAME = re.compile(r"[0-9a-z]{32}-(?P<name>.+?)(-[0-9][^/]*)?")
_DECIDES = "{} decides the version."


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A CLI as package managers know it."""

    title: str  #: for messages
    newest: str  #: a version, for the message about a wrong one
    npm: str = ""  #: its name in the registry of npm; empty: it is not there
    python: str = ""  #: its name in the package index of Python; empty: it is not there
    version: str = r"[0-9]+\.[0-9]+\.[0-9]+"  #: a regular expression for a whole version
    tags: tuple[str, ...] = ("latest",)  #: other targets that the registry knows
    notes: Mapping[str, str] = field(default_factory=dict)  #: method -> what the user should know
    #: Plans for the vendor's own installer: called with a path of the program, the target (None: the newest), and the path by
    #: which the program was found. None: another installation.
    native: Callable[[PurePath, str | None, str], UpgradePlan | None] = lambda path, target, program: None

    @property
    def name(self) -> str:
        """Its name without a scope."""
        return (self.npm or self.python).rpartition("/")[2]


def plan_upgrade(
    package: Package, program: str | None, target: str | None, environ: Mapping[str, str] = _NOTHING
) -> UpgradePlan | None:
    """Return the command that upgrades the program at this path. Raises InvalidRequest for a target that is no version.

    None: it is not installed, or in a way in which no command upgrades it, such as a copy of npx or a system of NixOS.

    :param target: a version, or one of the package's tags; None: the newest.
    :param environ: for the variables that move the managers' folders.
    """
    if target is not None and target not in package.tags and not re.fullmatch(package.version, target):
        example = f"{package.newest} or {package.tags[0]}" if package.tags else package.newest
        message = f"not a version of {package.title}, such as {example}: {target[:40]!r}"
        raise error_for("invalid_request", message)
    if program is None:
        return None
    look = _Look(package, None if target == "latest" else target, program, _Folders(environ))
    return next((plan for plan in look.plans() if plan is not None), None)


def pip_command(interpreter: str, requirement: str) -> tuple[str, ...]:
    """Return the command that installs a requirement into the environment of an interpreter: by its pip, or by uv without one."""
    library = Path(interpreter).parent.parent / "lib"
    if any(library.glob("python*/site-packages/pip")):
        return (interpreter, "-m", "pip", "install", "--upgrade", requirement)
    return ("uv", "pip", "install", "--python", interpreter, "--upgrade", requirement)


class _Folders:
    """Where the managers install: below the folder that a variable names, or below one of the usual names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def below(self, path: PurePath, variable: str, *usual: str) -> tuple[str, ...] | None:
        """Return the parts of a path below a manager's folder; None: it is not there.

        :param usual: the last names of its usual folder, such as `.local/share/mise`.
        """
        moved = self._environ.get(variable)
        if moved and path.is_relative_to(moved):
            return path.relative_to(moved).parts
        return next((rest for name in usual if (rest := _after(path.parts, PurePath(name).parts)) is not None), None)


@dataclass(frozen=True, slots=True)
class _Look:
    """The plans for one program. Each method knows one manager and returns None for the programs of others."""

    package: Package
    target: str | None
    program: str
    folders: _Folders

    def plans(self) -> Iterator[UpgradePlan | None]:
        """Yield the plan of each manager for each path of the program; the first that is not None counts."""
        paths = list(_links(self.program))
        if any(path.parts[:3] == ("/", "nix", "store") for path in paths):
            yield self._nix(paths)
            return
        if any("_npx" in path.parts for path in paths):
            return  # npx manages its own copy
        managers = (self._brew, self._volta, self._bun, self._pnpm, self._yarn, self._mise, self._asdf, self._npm)
        for path in paths:
            yield from (manager(path) for manager in (*managers, self._uv, self._pipx, self._venv))
            yield self.package.native(path, self.target, self.program)

    def _plan(self, method: str, *argv: str, note: str = "") -> UpgradePlan:
        return UpgradePlan(argv=argv, method=method, note=note or self.package.notes.get(method, ""))

    def _npm_plan(self, method: str, *argv: str) -> UpgradePlan:
        """A plan of a manager that installs from npm's registry."""
        return self._plan(method, *argv, f"{self.package.npm}@{self.target or 'latest'}")

    def _is_package(self, parts: tuple[str, ...]) -> bool:
        """Whether the first parts below a `node_modules` folder are this package, and not another with a program of this name."""
        return bool(self.package.npm) and (
            PurePath(*parts).is_relative_to(self.package.npm) if parts[:1] != (".bin",) else len(parts) == 2
        )

    def _nix(self, paths: list[PurePath]) -> UpgradePlan | None:
        """Only a package in the user's own profile has a command; others belong to a configuration."""
        named = next(match for path in paths if (match := _STORE_NAME.fullmatch(_store_entry(path))))
        if not any(".nix-profile" in path.parts or _after(path.parts, ("nix", "profile")) for path in paths):
            return None
        return self._plan("nix", "nix", "profile", "upgrade", named["name"], note=self._decides("Nix"))

    def _brew(self, path: PurePath) -> UpgradePlan | None:
        cask, formula = _after(path.parts, ("Caskroom",)), _after(path.parts, ("Cellar",))
        token = (cask or formula or ("",))[0]
        if not token or re.fullmatch(r"node(@\d+)?", token):  # npm of Homebrew's Node installs packages of its own
            return None
        kind = ("--cask",) if cask else ()
        return self._plan("brew", "brew", "upgrade", *kind, token, note=self._decides("Homebrew"))

    def _volta(self, path: PurePath) -> UpgradePlan | None:
        below = self.folders.below(path, "VOLTA_HOME", ".volta")
        if below is None or not self.package.npm or below[:1] not in (("bin",), ("tools",)):
            return None
        return self._npm_plan("volta", "volta", "install")

    def _bun(self, path: PurePath) -> UpgradePlan | None:
        below = self.folders.below(path, "BUN_INSTALL", ".bun")
        if below is None or not self.package.npm or below[:1] not in (("bin",), ("install",)):
            return None
        return self._npm_plan("bun", "bun", "add", "--global")

    def _pnpm(self, path: PurePath) -> UpgradePlan | None:
        below = self.folders.below(path, "PNPM_HOME", ".local/share/pnpm", "Library/pnpm")
        if below is None or not self.package.npm:
            return None
        return self._npm_plan("pnpm", "pnpm", "add", "--global")

    def _yarn(self, path: PurePath) -> UpgradePlan | None:
        """Yarn 1; later versions install nothing globally."""
        own = _after(path.parts, (".config", "yarn", "global")) or _after(path.parts, (".yarn", "bin"))
        return self._npm_plan("yarn", "yarn", "global", "add") if own and self.package.npm else None

    def _mise(self, path: PurePath) -> UpgradePlan | None:
        below = self.folders.below(path, "MISE_DATA_DIR", ".local/share/mise") or ()
        if below[:1] == ("shims",):
            data = path.parent.parent
            tools = [tool for tool in self._mise_tools() if os.path.isdir(data / "installs" / tool)]
            if not tools:
                return self._in_node("mise", "mise", "exec", "--")
            return self._mise_plan(tools[0])
        if below[:1] != ("installs",) or len(below) < 3 or below[1] in ("node", "python"):
            return None
        return self._mise_plan(below[1])

    def _mise_tools(self) -> Iterator[str]:
        """The names of folders in which mise can have installed the package."""
        names = {"npm": self.package.npm, "pipx": self.package.python}
        yield from (_slug(f"{backend}:{name}") for backend, name in names.items() if name)
        yield from (self.package.name, PurePath(self.program).name)

    def _mise_plan(self, folder: str) -> UpgradePlan:
        names = {"npm": self.package.npm, "pipx": self.package.python}
        full = (f"{backend}:{name}" for backend, name in names.items() if name)
        tool = next((name for name in full if _slug(name) == folder), folder)
        if self.target is None:
            return self._plan("mise", "mise", "upgrade", "--bump", tool)
        return self._plan("mise", "mise", "use", "--global", f"{tool}@{self.target}")

    def _asdf(self, path: PurePath) -> UpgradePlan | None:
        """A shim of asdf is a script that names the plugins whose versions have the program."""
        below = self.folders.below(path, "ASDF_DATA_DIR", ".asdf") or ()
        if below[:1] != ("shims",):
            return None
        plugins = _asdf_plugins(path)
        if "nodejs" in plugins:
            return self._in_node("asdf", "asdf", "exec")
        if "python" in plugins and self.package.python:
            python = ("asdf", "exec", "python", "-m", "pip", "install", "--upgrade")
            return self._plan("asdf", *python, self._requirement())
        return None

    def _in_node(self, method: str, *run: str) -> UpgradePlan | None:
        """The npm that a version manager chooses."""
        return self._npm_plan(method, *run, "npm", "install", "-g") if self.package.npm else None

    def _npm(self, path: PurePath) -> UpgradePlan | None:
        if "node_modules" not in path.parts:
            return None
        at = path.parts.index("node_modules")
        root, below = PurePath(*path.parts[:at]), path.parts[at + 1 :]
        if below[:1] == (".pnpm",):
            inner = _after(below, ("node_modules",)) or ()
            return self._npm_plan("pnpm", "pnpm", "--dir", str(root), "add") if self._is_package(inner) else None
        if not self._is_package(below):
            return None
        if root.name == "lib":
            return self._npm_plan("npm", "npm", "install", "-g", "--prefix", str(root.parent))
        return self._in_project(root)

    def _in_project(self, root: PurePath) -> UpgradePlan:
        """The package of a project, which the manager of its lock file installs."""
        if os.path.exists(root / "yarn.lock"):
            return self._npm_plan("yarn", "yarn", "--cwd", str(root), "add")
        if os.path.exists(root / "bun.lock") or os.path.exists(root / "bun.lockb"):
            return self._npm_plan("bun", "bun", "add", "--cwd", str(root))
        return self._npm_plan("npm", "npm", "install", "--prefix", str(root))

    def _requirement(self) -> str:
        return f"{self.package.python}=={self.target}" if self.target else self.package.python

    def _uv(self, path: PurePath) -> UpgradePlan | None:
        below = self.folders.below(path, "UV_TOOL_DIR", "uv/tools") or ()
        if not self.package.python or below[:1] != (self.package.python,):
            return None
        # Not `uv tool upgrade`: it keeps the version that an earlier `uv tool install` named.
        spec = self._requirement() if self.target else f"{self.package.python}@latest"
        return self._plan("uv", "uv", "tool", "install", spec)

    def _pipx(self, path: PurePath) -> UpgradePlan | None:
        below = self.folders.below(path, "PIPX_HOME", "pipx") or ()
        if not self.package.python or below[:2] != ("venvs", self.package.python):
            return None
        command = ("install", "--force", self._requirement()) if self.target else ("upgrade", self.package.python)
        return self._plan("pipx", "pipx", *command)

    def _venv(self, path: PurePath) -> UpgradePlan | None:
        """A virtual environment. The packages of a system's own Python are its package manager's."""
        interpreter = path.with_name("python")
        if not self.package.python or not os.path.isfile(path.parent.parent / "pyvenv.cfg"):
            return None
        return self._plan("pip", *pip_command(str(interpreter), self._requirement()))

    def _decides(self, manager: str) -> str:
        return _DECIDES.format(manager) if self.target else ""


def _links(program: str) -> Iterator[PurePath]:
    """The path of the program file, then those of the links that lead to it, from the last to the first."""
    found = [program]
    for _ in range(_MOST_LINKS):
        try:
            target = os.readlink(found[-1])
        except OSError:
            break
        found.append(os.path.normpath(os.path.join(os.path.dirname(found[-1]), target)))
    return map(PurePath, dict.fromkeys(chain([os.path.realpath(program)], reversed(found))))


def _after(parts: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...] | None:
    """What follows the first place where these names stand one after another; None: nowhere."""
    for at in range(len(parts) - len(names) + 1):
        if parts[at : at + len(names)] == names:
            return parts[at + len(names) :]
    return None


def _store_entry(path: PurePath) -> str:
    return path.parts[3] if path.parts[:3] == ("/", "nix", "store") and len(path.parts) > 3 else ""


def _slug(name: str) -> str:
    """The name of mise's folder for a tool, such as `npm-vendor-mine` for `npm:@vendor/mine`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _asdf_plugins(shim: PurePath) -> set[str]:
    try:
        text = read_regular(str(shim), most_bytes=_MOST_SHIM_BYTES).decode("utf-8", "replace")
    except OSError:
        return set()
    return set(re.findall(r"^# asdf-plugin: (\S+)", text, re.MULTILINE))
