"""A home for every test of the whole kernel."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gateway.world import Home


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(tmp_path: Path, python: tuple[str, ...]) -> Iterator[Home]:
    """A home of its own; afterwards every job in it must have come to its end, and every run to a record."""
    home = Home(tmp_path, python)
    yield home
    if (home.path / "gateway.db").exists():
        unfinished = home.rows("SELECT id, state FROM jobs WHERE state IN ('queued', 'running')")
        assert not unfinished, f"never came to an end: {unfinished}"


@pytest.fixture
def repository(home: Home) -> Path:
    """A git repository to work in."""
    quiet = {**home.env, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    (home.work / "code.py").write_text("one\n")
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=home.work, env=quiet, check=True)
    return home.work
