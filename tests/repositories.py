"""Git repositories that tests look at, and the program that a hostile one plants. No setting of the user is read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETTINGS = ("user.name=x", "user.email=x@example.org", "protocol.file.allow=always")


def git(place: Path, *arguments: str) -> str:
    """Run git in a directory and return what it prints, without blanks at the ends."""
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=place, env=environ, check=True, capture_output=True, timeout=60
    )
    return done.stdout.decode().strip()


def make_repository(place: Path, content: str = "one\n", name: str = "file") -> Path:
    """A repository on the branch `main` with one commit of one file. Without git's sample hooks: they cost time."""
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(content)
    git(place, "init", "-q", "-b", "main", "--template=")
    (place / ".git/info").mkdir(exist_ok=True)
    git(place, "add", name)
    git(place, "commit", "-qm", "one")
    return place


@contextmanager
def planted_program(folder: Path) -> Iterator[Path]:
    """A program that leaves a mark when it runs. At the end it must not have run."""
    program, mark = folder / "planted", folder / "mark"
    program.write_text(f"#!/bin/sh\necho $0 >> {mark}\ncat\n")
    program.chmod(0o755)
    yield program
    assert not mark.exists(), f"{mark.read_text()} was run"
