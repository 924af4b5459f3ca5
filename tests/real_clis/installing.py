"""Install the pinned real programs into the checkout's ignored folder `.cache/clis/`.

    python tests/real_clis/installing.py [NAME ...]

installs what is missing or of another version, and prints where each program lies. A second call costs a few stat calls.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".cache" / "clis"
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


PROGRAMS: dict[str, NpmProgram | PythonProgram] = {
    "claude": NpmProgram(package="@anthropic-ai/claude-code", version="2.1.330", command="claude"),
    "codex": NpmProgram(package="@openai/codex", version="0.169.0", command="codex"),
    "grok": NpmProgram(package="@xai-official/grok", version="1.0.41", command="grok"),
    "gemini": NpmProgram(package="@google/gemini-cli", version="0.61.0", command="gemini"),
    "qwen": NpmProgram(package="@qwen-code/qwen-code", version="0.24.4", command="qwen"),  # tests/scenarios/third_party
    "mistral": PythonProgram(
        package="mistral-vibe", version="3.0.3", command="vibe", python=(3, 12), loose=frozenset({"certifi"})
    ),
}


class CannotInstall(Exception):
    """The program cannot be had here."""


def install(name: str) -> Path:
    """Bring one program; its path. Raises CannotInstall."""
    wanted = PROGRAMS[name]
    folder = (FOLDER / name).resolve()  # programs of pip say where they lie in their first line
    program = folder / ("node_modules/.bin" if isinstance(wanted, NpmProgram) else "env/bin") / wanted.command
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
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
    wanted = PROGRAMS[name]
    if (FOLDER / name).exists():
        return None
    if isinstance(wanted, NpmProgram):
        return None if shutil.which("npm") else "npm is not installed"
    try:
        find_python(wanted.python)
    except CannotInstall as trouble:
        return str(trouble)
    return None


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
    for asked in sys.argv[1:] or PROGRAMS:
        print(asked, install(asked))
