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


PROGRAMS = {
    "claude": NpmProgram(package="@anthropic-ai/claude-code", version="2.1.330", command="claude"),
    "codex": NpmProgram(package="@openai/codex", version="0.169.0", command="codex"),
    "grok": NpmProgram(package="@xai-official/grok", version="1.0.41", command="grok"),
    "gemini": NpmProgram(package="@google/gemini-cli", version="0.61.0", command="gemini"),
}


class CannotInstall(Exception):
    """The program cannot be had here."""


def install(name: str) -> Path:
    """Bring one program; its path. Raises CannotInstall."""
    wanted = PROGRAMS[name]
    folder = FOLDER / name
    program = folder / "node_modules" / ".bin" / wanted.command
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be at it
        if _version(program) != wanted.version:
            _npm_install(folder, f"{wanted.package}@{wanted.version}")
        found = _version(program)
    if found != wanted.version:
        raise CannotInstall(f"{program} says that it is version {found}, not {wanted.version}")
    return program


def _npm_install(folder: Path, spec: str) -> None:
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


def _version(program: Path) -> str | None:
    """What the program says of itself; a home of its own, so that nothing is written elsewhere."""
    if not program.exists():
        return None
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(program.parent)}
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False, env=env)
    numbers = re.search(r"\d+(\.\d+)+", told.stdout)
    return numbers[0] if numbers else None


if __name__ == "__main__":
    for asked in sys.argv[1:] or PROGRAMS:
        print(asked, install(asked))
