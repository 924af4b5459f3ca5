"""Install the pinned real programs into the checkout's ignored folder `.cache/clis/`.

    python tests/real_clis/installing.py [NAME ...]
    CLIS=newest python tests/real_clis/installing.py codex

installs what is missing, each version into a folder of its own, and prints where each program lies. A second call costs a few
stat calls.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "clis"
INSTALL_S = 600


@dataclass(frozen=True, kw_only=True)
class NpmProgram:
    """A program that npm brings. Its install scripts must run: they put the native program in its place."""

    package: str
    version: str
    command: str


@dataclass(frozen=True, kw_only=True)
class PythonProgram:
    """A program that pip brings, into an environment of its own: it needs a newer Python than the gateway."""

    package: str
    version: str
    command: str
    python: tuple[int, int]  #: at least
    #: Requirements that it pins to a version which not every index has; any version of them serves.
    loose: frozenset[str] = frozenset()


#: Providers in this repository: the command of each program. Package and versions are those of their contract.toml.
_COMMANDS = {"claude": "claude", "codex": "codex", "grok": "grok", "gemini": "gemini", "mistral": "vibe"}
#: CLIS="codex=0.169.0 claude=newest mistral=oldest", or one word for all: which version the tests install and use. `newest`
#: is the newest that is published, `oldest` and the default are the ends of `seen` in contract.toml.
_CHOICE = "CLIS"


def contract(name: str) -> dict[str, Any]:
    """The contract.toml of a provider in this repository."""
    path = next((ROOT / "providers" / name / "src").glob("*/contract.toml"))
    return tomllib.loads(path.read_text())


def chosen_version(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The version that the tests use. Raises CannotInstall if the newest cannot be found."""
    choices = dict(
        choice.split("=", 1) if "=" in choice else ("", choice) for choice in environ.get(_CHOICE, "").split()
    )
    choice = choices.get(name, choices.get("", ""))
    seen = contract(name)["seen"]
    if choice == "newest":
        return newest(contract(name)["package"], npm=name != "mistral")
    return {"": seen[1], "oldest": seen[0]}.get(choice, choice)


def program_of(name: str) -> NpmProgram | PythonProgram:
    """What must be installed."""
    if name == "qwen":  # tests/scenarios/third_party
        return NpmProgram(package="@qwen-code/qwen-code", version="0.24.4", command="qwen")
    package, version = contract(name)["package"], chosen_version(name)
    if name == "mistral":
        return PythonProgram(
            package=package, version=version, command="vibe", python=(3, 12), loose=frozenset({"certifi"})
        )
    return NpmProgram(package=package, version=version, command=_COMMANDS[name])


NAMES = (*_COMMANDS, "qwen")


class CannotInstall(Exception):
    """The program cannot be had here."""


def install(name: str) -> Path:
    """Bring one program; its path. Raises CannotInstall."""
    wanted = program_of(name)
    folder = (FOLDER / f"{name}-{wanted.version}").resolve()  # programs of pip say where they lie in their first line
    program = folder / ("node_modules/.bin" if isinstance(wanted, NpmProgram) else "env/bin") / wanted.command
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be at it
        if _version(program) != wanted.version:
            if isinstance(wanted, NpmProgram):
                npm_install(folder, f"{wanted.package}@{wanted.version}")
            else:
                _pip_install(folder, wanted)
        found = _version(program)
    if found != wanted.version:
        raise CannotInstall(f"{program} says that it is version {found}, not {wanted.version}")
    return program


def lacking(name: str) -> str | None:
    """What this machine lacks to bring a program that is not there yet; None: nothing."""
    wanted = program_of(name)
    if (FOLDER / f"{name}-{wanted.version}").exists():
        return None
    if isinstance(wanted, NpmProgram):
        return None if shutil.which("npm") else "npm is not installed"
    try:
        find_python(wanted.python)
    except CannotInstall as trouble:
        return str(trouble)
    return None


def newest(package: str, *, npm: bool) -> str:
    """The newest published version of a package. Raises CannotInstall."""
    if npm:
        command = ["npm", "view", package, "version"]
    else:
        command = [find_python((3, 12)), "-m", "pip", "index", "versions", "--disable-pip-version-check", package]
    numbers = re.search(r"\d+(\.\d+)+", _run(ROOT, command))
    if numbers is None:
        raise CannotInstall(f"no version of {package} was found")
    return numbers[0]


def npm_install(folder: Path, spec: str) -> None:
    """Have npm bring one package into a folder's `node_modules`. Raises CannotInstall."""
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstall("npm is not installed")
    command = [npm, "install", "--prefix", str(folder), "--cache", str(FOLDER / "npm"), "--ignore-scripts=false"]
    command += ["--no-audit", "--no-fund", spec]
    # Under pytest HOME is elsewhere; which registry npm uses may stand in the real one. Grok's own install script leaves
    # a copy of the program and a setting in GROK_HOME.
    env = {**os.environ, "HOME": pwd.getpwuid(os.getuid()).pw_dir, "GROK_HOME": str(folder / "home")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False, cwd=folder, env=env)
    if done.returncode:
        raise CannotInstall(f"npm could not install {spec}: {done.stderr[-2000:]}")


def _pip_install(folder: Path, wanted: PythonProgram) -> None:
    """The package alone first, then what it says it needs, with the loose ones loosened."""
    shutil.rmtree(folder / "env", ignore_errors=True)
    _run(folder, [find_python(wanted.python), "-m", "venv", str(folder / "env")])
    python = str(folder / "env" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    _run(folder, [*pip, "--no-deps", f"{wanted.package}=={wanted.version}"])
    ask = f"from importlib.metadata import requires; print(*requires({wanted.package!r}), sep='\\n')"
    needed = folder / "needed.txt"
    lines = [line for line in _run(folder, [python, "-c", ask]).splitlines() if "extra ==" not in line]
    names = [re.match(r"[A-Za-z0-9._-]+", line) for line in lines]
    loosened = [name[0] if name and name[0] in wanted.loose else line for name, line in zip(names, lines, strict=True)]
    needed.write_text("\n".join(loosened))
    _run(folder, [*pip, "-r", str(needed)])


def find_python(least: tuple[int, int]) -> str:
    """A Python that is new enough: this one, from PATH, from pyenv's folder or from uv. Raises CannotInstall."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    roots = [Path(os.environ.get("PYENV_ROOT", home / ".pyenv")), home / ".pyenv"]
    pyenv = [str(path) for root in roots for path in sorted(root.glob("versions/3.*/bin/python"))]
    on_path = [found for minor in range(14, 9, -1) if (found := shutil.which(f"python3.{minor}"))]
    for candidate in [sys.executable, *on_path, *pyenv, *_pythons_of_uv(least)]:
        ask = f"import sys; print(sys.version_info[:2] >= {least!r})"
        told = subprocess.run([candidate, "-I", "-c", ask], capture_output=True, text=True, timeout=60, check=False)
        if told.stdout.strip() == "True":
            return candidate
    raise CannotInstall(f"no Python {least[0]}.{least[1]} or newer was found")


def _pythons_of_uv(least: tuple[int, int]) -> list[str]:
    uv = shutil.which("uv") or str(Path(sys.prefix, "uv", "bin", "uv"))
    if not os.access(uv, os.X_OK):
        return []
    asked = [uv, "python", "find", f">={least[0]}.{least[1]}"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    return told.stdout.split()


def _run(folder: Path, command: list[str]) -> str:
    # Which index pip uses may stand in the real home, as for npm.
    env = {**os.environ, "HOME": pwd.getpwuid(os.getuid()).pw_dir}
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False, cwd=folder, env=env)
    if done.returncode:
        raise CannotInstall(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return done.stdout


def _version(program: Path) -> str | None:
    """What the program says of itself; a home of its own, so that nothing is written elsewhere."""
    if not program.exists():
        return None
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(program.parent)}
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False, env=env)
    except OSError:  # its interpreter is gone: the checkout was moved
        return None
    numbers = re.search(r"\d+(\.\d+)+", told.stdout)
    return numbers[0] if numbers else None


if __name__ == "__main__":
    for asked in sys.argv[1:] or NAMES:
        print(asked, install(asked))
